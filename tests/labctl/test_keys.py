"""The keys in secrets/secrets.json: what no sidecar could use, and values that were written with other ones."""

from __future__ import annotations

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier

import pytest

from labctl.errors import LabError
from labctl.make import new_keys, setup
from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import keys
from tests.serving import serving

EXAMPLE = {"STATE_ENCRYPTION_KEY": "", "USER_HASH_KEY": "", "OPENAI_API_KEY": ""}


@pytest.fixture
def secrets_file(tmp_path, monkeypatch):
    """Return the path of a checkout's secrets file, which is not there yet."""
    (tmp_path / "secrets.example.json").write_text(json.dumps(EXAMPLE))
    monkeypatch.setattr(setup, "_SECRETS", tmp_path)
    return tmp_path / "secrets.json"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON object of texts"),
        ("not json", "no JSON object of texts"),
        ("[]", "no JSON object of texts"),
        ('{"STATE_ENCRYPTION_KEY": 7}', "no JSON object of texts"),
        ('{"api-credentials": {"api-key": 7}}', "no JSON object of texts"),
        ('{"STATE_ENCRYPTION_KEY": "abc"}', "has 3 characters"),
        (json.dumps({"STATE_ENCRYPTION_KEY": "z" * 64}), "hexadecimal digits"),
    ],
)
def test_a_file_that_no_sidecar_could_use_is_refused_in_one_sentence_and_stays(secrets_file, text, words):
    secrets_file.write_text(text)
    with pytest.raises(LabError, match=words) as raised:
        setup.ensure_secrets()
    assert str(secrets_file) in str(raised.value)
    assert secrets_file.read_text() == text


def test_all_that_start_at_once_use_the_same_keys(secrets_file):
    """As each `./lab serve` of the Tiltfile makes them, if they are missing."""
    together = Barrier(8)

    def start(_: int) -> str:
        together.wait(10)
        setup.ensure_secrets()
        return secrets_file.read_text()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(start, range(8)))) == 1


def test_a_file_from_before_gets_the_new_secrets_and_keeps_its_own(secrets_file):
    (secrets_file.parent / "secrets.example.json").write_text(json.dumps(EXAMPLE | {"api": {"key": "example"}}))
    secrets_file.write_text(json.dumps({"STATE_ENCRYPTION_KEY": "ab" * 32, "OPENAI_API_KEY": "mine"}))
    setup.ensure_secrets()
    made = json.loads(secrets_file.read_text())
    assert (made["STATE_ENCRYPTION_KEY"], made["OPENAI_API_KEY"]) == ("ab" * 32, "mine")
    assert made["api"] == {"key": "example"}


def test_the_key_of_attachments_is_made_once_for_its_owner_alone(secrets_file):
    setup.ensure_secrets()
    path = secrets_file.parent / "keys" / "attachments.json"
    key = json.loads(path.read_text())
    assert (key["kty"], len(base64.urlsafe_b64decode(key["k"] + "="))) == ("oct", 32)
    assert path.stat().st_mode & 0o777 == 0o600
    setup.ensure_secrets()
    assert json.loads(path.read_text()) == key


def test_the_keys_of_the_containers_are_made_once_and_only_their_user_reads_them(tmp_path):
    folder, example = tmp_path / "secrets", tmp_path / "example.json"
    folder.mkdir()
    example.write_text(json.dumps(EXAMPLE))
    new_keys.prepare(example, folder, [tmp_path], os.getuid())
    made = {path: path.read_text() for path in (folder / "secrets.json", folder / "keys" / "attachments.json")}
    assert {path.stat().st_mode & 0o777 for path in made} == {0o400}
    known = json.loads(made[folder / "secrets.json"])
    assert (len(known["STATE_ENCRYPTION_KEY"]), known["OPENAI_API_KEY"]) == (64, "")
    new_keys.prepare(example, folder, [tmp_path], os.getuid())
    assert {path: path.read_text() for path in made} == made
    assert sorted(path.name for path in folder.rglob("*.json")) == ["attachments.json", "secrets.json"]


@pytest.mark.parametrize("name", ["STATE_ENCRYPTION_KEY", "USER_HASH_KEY"])
def test_a_store_that_other_keys_filled_is_refused_until_they_are_back_or_it_is_gone(
    secrets_file, tmp_path, monkeypatch, name
):
    stack = Stack("keys")
    monkeypatch.setattr(Stack, "state", tmp_path / "state")
    setup.ensure_secrets()
    keys.refuse_other(stack)  # a Redis that ./lab did not start: nothing is noted
    (stack.state / "redis").mkdir(parents=True)
    keys.refuse_other(stack)
    right = json.loads(secrets_file.read_text())
    secrets_file.write_text(json.dumps(right | {name: "ab" * 32}))
    with pytest.raises(LabError, match="Put that file back, or delete the values"):
        keys.refuse_other(stack)
    secrets_file.write_text(json.dumps(right))
    keys.refuse_other(stack)
    note = stack.state / "redis" / "key-check"
    mark = note.read_text()
    assert right[name] not in mark
    note.write_text("")  # ./lab was killed before it had written the note
    keys.refuse_other(stack)
    assert note.read_text() == mark


@pytest.mark.parametrize("code", ["OTHER_KEY", None])
def test_an_app_that_cannot_read_its_store_ends_the_wait(tmp_path, code):
    class NotReady(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(503)
            self.end_headers()
            self.wfile.write(json.dumps({"detail": "Written with another key.", "errorCode": code}).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), NotReady)
    app = App("chat-service", "chat", tmp_path, "http", server.server_port, 0, 0, 0, 0, {})
    with (
        serving(server),
        pytest.raises(LabError, match=r"chat-service cannot .* another key") if code else nullcontext(),
    ):
        keys.refuse_unreadable(app)
