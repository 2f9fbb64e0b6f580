"""Which model chat asks is configuration: nothing at all, a key in a secret store, a component."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.fakes.model import ModelServer, running_model
from labctl.stack import ROOT, TEST_OFFSET
from labctl.up import logfiles
from labctl.up.processes import wait_until
from tests.runtime.chat.conftest import CHAT, MEMORY, fresh

pytestmark = pytest.mark.lab("chat")

MODEL_PORT = 11434 + TEST_OFFSET  # Ollama's, as far above it as all ports of tests
MODEL_URL = f"http://127.0.0.1:{MODEL_PORT}/v1"
KEY = "sk-a-key-that-nobody-may-read-in-a-log"

Configured = Callable[..., None]


@pytest.fixture
def configured(lab, tmp_path) -> Iterator[Configured]:
    """Starts chat with these secrets, components and settings, and no others of the model's; as before after the test.

    Secrets are put where a reader puts them, into the file behind the secret store: one that stands for secrets.json.
    """
    secrets_file = tmp_path / "secrets.json"
    resources = tmp_path / "components"
    resources.mkdir()

    def start(secrets: dict[str, str], *components: dict[str, Any], **settings: str) -> None:
        kept = {"GEMINI_API_KEY": "", "OPENAI_API_KEY": ""}
        secrets_file.write_text(json.dumps(json.loads((ROOT / "secrets/secrets.json").read_text()) | kept | secrets))
        store = yaml.safe_load((ROOT / "components/secretstore.yaml").read_text())
        store["spec"]["metadata"] = [{"name": "secretsFile", "value": str(secrets_file)}]
        for component in (store, *components):
            (resources / f"{component['metadata']['name']}.yaml").write_text(yaml.safe_dump(component))
        with pytest.MonkeyPatch.context() as environment:
            environment.delenv("MODEL_ENGINE")
            until_the_end.enter_context(lab.otherwise(lab.with_settings(CHAT, **settings), resources=[resources]))

    with ExitStack() as until_the_end:
        yield start


def said_by(lab, text: str = "Hello") -> tuple[str, str]:
    """Return the reply to a message, and the model that gave it."""
    answer = lab.ask(fresh("ada"), text, fresh("s"))
    assert answer.status_code == 200, answer.text
    return answer.json()["reply"], answer.json()["metadata"]["model"]


def test_while_the_model_is_down_nothing_is_kept_and_the_message_may_be_sent_again(lab, configured):
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    settings = {"MODEL_NAME": "test-model", "RETRY_SECONDS": "0.2"}
    configured({}, MODEL_ENGINE="openai-compatible", MODEL_BASE_URL=MODEL_URL, **settings)
    assert lab.ask(user, "Hello", session, message).status_code == 503
    with running_model(MODEL_PORT) as model:
        model.will_fail(500)
        failed = lab.ask(user, "Hello", session, message)
        assert (failed.status_code, failed.json()["dependency"], len(model.asked)) == (502, "model", 3)
        assert lab.state(failed.json()["instance_id"])["error"] == "The model answered 500."
        assert not wait_until(lambda: lab.history(session) != [], 2, 0.3)
        assert lab.http.get(lab.url(MEMORY, f"/memories/{user}")).status_code == 404
        model.answers.clear()
        model.will_say("Blue, I think.")
        assert lab.say(user, "Hello", session, message) == "Blue, I think."
        lab.assert_kept_once(session, [message])


def logs_of(lab) -> str:
    """Return the logs of chat and its sidecar."""
    files = [logfiles.file(lab.stack, lab.app(CHAT), kind) for kind in ("app", "daprd")]
    return "".join(Path(file).read_text() for file in files if file)


@pytest.mark.parametrize(
    ("secret", "settings", "name"),
    [
        ("GEMINI_API_KEY", {}, "gemini/gemini-2.5-flash"),
        ("OPENAI_API_KEY", {"MODEL_ENGINE": "openai"}, "openai/gpt-4.1-mini"),
        (None, {"MODEL_ENGINE": "ollama", "MODEL_NAME": "qwen3"}, "ollama/qwen3"),
    ],
)
def test_a_key_in_the_secret_store_is_what_the_model_gets_and_no_log(lab, configured, secret, settings, name):
    with running_model(MODEL_PORT) as model:
        configured({secret: KEY} if secret else {}, MODEL_BASE_URL=MODEL_URL, **settings)
        model.will_say("Good evening.")
        assert said_by(lab) == ("Good evening.", name)
        assert model.headers[0]["authorization"] == (f"Bearer {KEY}" if secret else "Bearer none")
        model.answers.clear()
        model.will_fail(500)
        assert lab.ask(fresh("ada"), "Hello", fresh("s")).status_code == 502
    told = logs_of(lab)
    assert "ready to answer" in told
    assert KEY not in told


def test_the_echo_component_says_what_it_was_told(lab, configured):
    """components/conversation.yaml as it is, behind Dapr's Conversation API."""
    configured({}, MODEL_ENGINE="conversation")
    reply, name = said_by(lab, "Where is my tea?")
    assert name == "conversation/conversation"
    assert "Where is my tea?" in reply


def other_spec(kind: str) -> dict[str, Any]:
    """Return components/conversation.yaml with the commented part of this type in the place of its `spec`."""
    text = (ROOT / "components/conversation.yaml").read_text()
    head, *parts = text.split("\n\n")
    (part,) = [part for part in parts if f"type: conversation.{kind}" in part]
    lines = [line.removeprefix("#").removeprefix(" ") for line in part.splitlines()]
    begin = next(number for number, line in enumerate(lines) if line.startswith("spec:"))
    return yaml.safe_load(head) | yaml.safe_load("\n".join(lines[begin:]))


@pytest.mark.parametrize(("kind", "key"), [("openai", KEY), ("ollama", None)])
def test_another_component_is_another_model_and_has_the_tool(lab, configured, kind, key):
    component = other_spec(kind)
    settings = {one["name"]: one for one in component["spec"]["metadata"]}
    settings["endpoint"] = {"name": "endpoint", "value": MODEL_URL}
    component["spec"]["metadata"] = list(settings.values())
    with running_model(MODEL_PORT) as model:
        configured({"OPENAI_API_KEY": key} if key else {}, component, MODEL_ENGINE="conversation")
        ask_the_time(model)
        assert said_by(lab, "What time is it?") == ("It is late.", "conversation/conversation")
        assert [one["function"]["name"] for one in model.asked[0]["tools"]] == ["get_current_time"]
        wish, result = model.asked[1]["messages"][-2:]
        assert (result["role"], result["tool_call_id"]) == ("tool", wish["tool_calls"][0]["id"])
        if key:
            assert model.headers[0]["authorization"] == f"Bearer {key}"
    assert KEY not in logs_of(lab)


def ask_the_time(model: ModelServer) -> None:
    """Let the model ask for the time before it answers."""
    model.will_call("get_current_time")
    model.will_say("It is late.")
