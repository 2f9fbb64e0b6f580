"""Requests go to the stack only, each in a new trace, and a failure is a sentence."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from console import sending
from console.labs import Labs
from console.requests import Request
from console.sending import Answer, Foreign
from labctl import runfile
from labctl.stack import Stack
from labctl.up import secure

OFFSET = 43_000
CALLEE = 8001 + OFFSET
URL = f"http://localhost:{CALLEE}/"

Result = TypeVar("Result")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(act: Callable[[Labs], Awaitable[Result]], serve: Serve | None = None) -> Result:
    """Return what `act` returns, while this server has the port of callee-app, or nothing has."""

    async def serving() -> Result:
        labs = Labs(Stack("console-units", OFFSET))
        server = await asyncio.start_server(serve, "127.0.0.1", CALLEE) if serve else None
        try:
            return await act(labs)
        finally:
            if server:
                server.close()
            await labs.aclose()

    return asyncio.run(serving())


def answering(
    body: bytes, kind: str = "application/json", status: str = "200 OK", seen: list[str] | None = None
) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head.decode())
        writer.write(
            f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nserver: x\r\nconnection: close\r\n\r\n".encode() + body
        )
        writer.close()

    return serve


@pytest.mark.parametrize(
    "url",
    [
        f"http://localhost:{9411 + OFFSET}/",
        "http://localhost:8001/",
        f"http://example.com:{CALLEE}/",
        f"http://127.0.0.1:{CALLEE}/",
        f"http://me:secret@localhost:{CALLEE}/",
        f"http://localhost:{CALLEE}@example.com/",
        f"https://localhost:{CALLEE}/",
        "http://localhost/",
        "file:///etc/passwd",
    ],
)
def test_a_url_that_is_not_of_the_stack_is_refused(url: str) -> None:
    with pytest.raises(Foreign):
        run(lambda labs: sending.send(labs, Request("A", "GET", url)))


def test_the_ports_of_apps_and_sidecars_are_of_the_stack() -> None:
    labs = Labs(Stack("console-units", OFFSET))
    app = sending.target(labs, URL)
    sidecar = sending.target(labs, f"http://localhost:{3501 + OFFSET}/v1.0/healthz")
    assert (app.app.app_id, app.is_sidecar) == ("callee-app", False)
    assert (sidecar.app.app_id, sidecar.is_sidecar) == ("callee-app", True)


def test_a_secure_stack_gets_the_token_of_the_port_and_curl_only_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("labctl.stack.HOME", tmp_path)
    stack = Stack("console-units", OFFSET, secure=True)
    secure.make_secrets(stack, runfile.read_apps(stack))
    labs, tokens = Labs(stack), secure.tokens(stack, "callee-app")
    ports = {"APP_API_TOKEN": URL, "DAPR_API_TOKEN": f"http://localhost:{3501 + OFFSET}/"}
    for name, url in ports.items():
        assert sending.token_of(labs, sending.target(labs, url)) == {"dapr-api-token": tokens[name]}
        assert sending.curl(labs, Request("A", "GET", url)) == f'curl -H "dapr-api-token: ${name}" {url}'
    assert sending.curl(Labs(Stack("console-units", OFFSET)), Request("A", "GET", URL)) == f"curl {URL}"


def test_a_request_is_sent_in_a_new_trace() -> None:
    seen: list[str] = []
    request = Request("A", "POST", f"{URL}a?b=c", {"content-type": "text/plain"}, "body")
    answer = run(lambda labs: sending.send(labs, request), answering(b'{"a": "\xc3\xa9"}', seen=seen))
    assert seen[0].startswith("POST /a?b=c HTTP/1.1\r\n")
    assert f"traceparent: 00-{answer.trace_id}-" in seen[0]
    assert re.search("traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r\n", seen[0])
    assert (answer.status, answer.data, answer.headers) == (200, {"a": "é"}, {"content-type": "application/json"})
    assert answer.pretty == '{\n  "a": "é"\n}'


def test_a_look_is_not_traced() -> None:
    seen: list[str] = []
    answer = run(lambda labs: sending.look(labs, "callee-app", "/faults"), answering(b"{}", seen=seen))
    assert re.search("traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r\n", seen[0])
    assert answer.trace_id == ""


@pytest.mark.parametrize(("body", "kind"), [(b"{wrong", "application/json"), (b"<b>\xff</b>", "text/html")])
def test_a_body_that_is_no_json_is_shown_as_text(body: bytes, kind: str) -> None:
    answer = run(lambda labs: sending.send(labs, Request("A", "GET", URL)), answering(body, kind))
    assert (answer.data, answer.pretty) == (None, body.decode(errors="replace"))


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    huge = json.dumps(["x" * 10_000_000]).encode()
    answer = run(lambda labs: sending.send(labs, Request("A", "GET", URL)), answering(huge))
    assert len(answer.text) == sending.MOST_BYTES
    assert len(answer.pretty) < sending.MOST_CHARACTERS + 50


def test_a_redirect_to_elsewhere_is_not_followed() -> None:
    status = "302 Found\r\nlocation: http://localhost:9/"
    answer = run(lambda labs: sending.send(labs, Request("A", "GET", URL)), answering(b"", status=status))
    assert (answer.status, answer.headers["location"]) == (302, "http://localhost:9/")


async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer, and then send a byte at a time for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    with suppress(ConnectionError):
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.01)


async def closing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(
    ("serve", "sentence"),
    [
        (None, "callee-app cannot be reached: ./lab restart callee-app, or ./lab up invocation."),
        (never, "callee-app has not answered within 0.3 s. See ./lab logs callee-app."),
        (closing, "callee-app ended the connection without an answer: ./lab restart callee-app."),
    ],
)
def test_a_failure_is_a_sentence(serve: Serve | None, sentence: str) -> None:
    answer = run(lambda labs: sending.send(labs, Request("A", "GET", URL), seconds=0.3), serve)
    assert (answer.status, answer.failure, answer.sentence) == (0, sentence, sentence)
    assert not answer.is_success


def test_a_refusal_is_said_in_the_words_of_the_service() -> None:
    assert Answer(409, data={"detail": "Order 1 is running."}).sentence == "Order 1 is running."
    assert Answer(500, text="<b>").sentence == "status 500"
    assert Answer(200, data=["no object"]).fields == {}
