"""Every request of requests/*.http is sent on the real runtime by httpyac, and its assertions hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from rich.console import Console

from labctl import runfile
from labctl.stack import ROOT
from labctl.up import lifecycle
from tests.docs import http_files
from tests.docs.pages import Page
from tests.docs.ports import OFFSET, STACK
from tests.serving import serving

FILES = sorted((ROOT / "requests").glob("*.http"))
# A file is named as its page is: 1-service-invocation. The page says which lab it is of.
LABS = {file.stem: Page(Path("docs/labs") / f"{file.stem}.md").lab for file in FILES}


def _parameter(file: Path) -> object:
    return pytest.param(file, id=file.name, marks=pytest.mark.lab(LABS[file.stem]))


@pytest.fixture
def running(request: pytest.FixtureRequest, nothing_left: None) -> Iterator[None]:
    """The lab of the requests."""
    (lab,) = next(request.node.iter_markers("lab")).args
    apps = runfile.select(runfile.read_apps(STACK), [lab])
    lifecycle.up(STACK, apps, Console(stderr=True))
    yield
    lifecycle.down(STACK)


def test_every_lab_has_its_requests() -> None:
    assert [file.stem for file in FILES] == [page.stem for page in sorted((ROOT / "docs" / "labs").glob("[1-9]*.md"))]


@pytest.mark.parametrize("file", [_parameter(file) for file in FILES])
def test_the_requests_are_answered_as_asserted(file: Path, running: None, tmp_path: Path) -> None:
    sent = http_files.send(file, tmp_path)
    assert {one.title: one.failures for one in sent if one.failures} == {}
    assert [one.title for one in sent if one.assertions == 0] == [], "each says what the answer is to be"
    assert len(sent) == len(http_files.requests(file.read_text()))
    assert len({one.title for one in sent}) == len(sent), "a title each, by which a reader tells them apart"
    assert _routes(file) - _sent_routes(file, sent) == set(), "a route that no request shows"


def _routes(file: Path) -> set[tuple[str, str, str]]:
    """Return every (app id, method, path) in the contracts of the lab's services."""
    found: set[tuple[str, str, str]] = set()
    # An app that a lab only needs has its routes in the file of its own lab.
    for app in (one for one in runfile.read_apps(STACK) if one.lab == LABS[file.stem]):
        if app.protocol != "grpc":
            paths = json.loads((app.folder / "openapi.json").read_text())["paths"]
            found |= {(app.app_id, method.upper(), path) for path, methods in paths.items() for method in methods}
    return found


def _sent_routes(file: Path, sent: list[http_files.Sent]) -> set[tuple[str, str, str]]:
    of_port = {app.app_port: app.app_id for app in runfile.read_apps(STACK)}
    found: set[tuple[str, str, str]] = set()
    for app_id, method, path in _routes(file):
        pattern = re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path)))
        for one in sent:
            url = urlsplit(one.url)
            if of_port.get(url.port or 0) == app_id and one.method == method and pattern.fullmatch(url.path):
                found.add((app_id, method, path))
    return found


def test_a_wrong_answer_and_no_answer_are_found(tmp_path: Path) -> None:
    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"attempts": 3}')

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output empty."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    here = f"http://127.0.0.1:{server.server_port}"
    file = tmp_path / "made-up.http"
    right, wrong = ("# ?? js response.parsedBody.attempts == 3", "# ?? js response.parsedBody.attempts == 4")
    requests = [f"### right\nGET {here}/\n\n{right}\n", f"### wrong\nGET {here}/\n\n{wrong}\n"]
    file.write_text("\n".join([*requests, f"### no answer\nGET http://127.0.0.1:1/\n\n{right}\n"]))
    folder = tmp_path / "sent"
    folder.mkdir()
    with serving(server):
        sent = http_files.send(file, folder)
    assert [(one.title, bool(one.failures)) for one in sent] == [("right", False), ("wrong", True), ("no answer", True)]


@pytest.mark.parametrize("file", [pytest.param(file, id=file.name) for file in FILES])
def test_the_file_is_one_that_rest_client_reads(file: Path) -> None:
    """VS Code's REST Client sends every line that is no comment as it stands, so no assertion of httpyac's is bare."""
    text = file.read_text()
    assert re.findall(r"^\s*\?\?.*", text, re.MULTILINE) == []
    assert re.findall(r"^(?:> ?\{%|\{\{$).*", text, re.MULTILINE) == [], "scripts are not REST Client's"
    assert str(OFFSET) not in text
