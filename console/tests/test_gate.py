"""The gate: which requests reach a page."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from console.app import serve
from console.gate import PROTECTION, Gate
from console.labs import TOKEN_VARIABLE
from labctl.stack import Stack

PORT, TOKEN = 8100, "a-token-ü"
ORIGIN = f"http://localhost:{PORT}"


@pytest.fixture
def browser() -> Callable[..., TestClient]:
    """Build a client of a page behind the gate."""
    app = FastAPI()

    @app.get("/{path:path}")
    async def page(path: str) -> str:
        return f"page {path}"

    @app.post("/")
    async def press() -> str:
        return "pressed"

    @app.websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")

    def build(token: str | None = None) -> TestClient:
        return TestClient(Gate(app, PORT, token), base_url=ORIGIN, follow_redirects=False)

    return build


def test_a_page_of_the_console_gets_through_and_is_protected(browser: Callable[..., TestClient]) -> None:
    answer = browser().get("/traces", headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"})
    assert answer.status_code == 200
    assert {name: answer.headers[name] for name in PROTECTION} == PROTECTION


@pytest.mark.parametrize("host", ["localhost:8100", "LOCALHOST:8100", "127.0.0.1:8100", "[::1]:8100"])
def test_each_name_of_loopback_is_let_through(browser: Callable[..., TestClient], host: str) -> None:
    assert browser().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["", "localhost", "localhost:80", "evil.example:8100", "localhost:8100.evil.example"])
def test_another_host_is_refused(browser: Callable[..., TestClient], host: str) -> None:
    assert browser().get("/", headers={"host": host}).status_code == 400


def test_a_second_host_is_refused(browser: Callable[..., TestClient]) -> None:
    hosts = [("host", "localhost:8100"), ("host", "evil.example")]
    assert browser().get("/", headers=hosts).status_code == 400


@pytest.mark.parametrize(
    "origin",
    ["null", "", "http://evil.example", "http://localhost:8001", "https://localhost:8100", f"{ORIGIN}.evil.example"],
)
def test_another_origin_is_refused(browser: Callable[..., TestClient], origin: str) -> None:
    client = browser()
    assert client.post("/", headers={"origin": origin}).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/socket", headers={"origin": origin}):
        pass


def test_the_consoles_own_socket_is_let_through(browser: Callable[..., TestClient]) -> None:
    headers = {"origin": ORIGIN, "host": f"localhost:{PORT}"}
    with browser().websocket_connect("/socket", headers=headers) as socket:
        assert socket.receive_text() == "hello"


@pytest.mark.parametrize(
    ("site", "destination", "status"),
    [
        ("cross-site", "document", 200),  # a link
        ("cross-site", "iframe", 403),
        ("same-site", "script", 403),
        ("cross-site", "empty", 403),
        ("none", "document", 200),
        ("same-origin", "empty", 200),
    ],
)
def test_another_site_may_only_link_here(
    browser: Callable[..., TestClient], site: str, destination: str, status: int
) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-dest": destination}
    assert browser().get("/", headers=headers).status_code == status


def test_with_a_token_nothing_is_served_without_it(browser: Callable[..., TestClient]) -> None:
    client = browser(TOKEN)
    assert client.get("/").status_code == 401
    assert client.post("/").status_code == 401
    assert client.get("/", params={"token": "wrong"}).status_code == 401
    assert client.post(f"/?token={quote(TOKEN)}").status_code == 401
    assert client.get("/", headers={"cookie": f"console-token-{PORT}=wrong"}).status_code == 401
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/socket", headers={"host": f"localhost:{PORT}"}),
    ):
        pass


def test_the_token_leaves_the_address_for_a_cookie_that_no_script_or_other_site_gets(
    browser: Callable[..., TestClient],
) -> None:
    client = browser("plain-token")
    answer = client.get("/traces?token=plain-token&app=callee-app")
    assert (answer.status_code, answer.headers["location"]) == (303, "/traces?app=callee-app")
    attributes = answer.headers["set-cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=strict" in attributes
    assert f"console-token-{PORT}=" in attributes
    assert client.get("/traces").status_code == 200  # the client has kept the cookie
    assert client.get("/?token=plain-token").status_code == 303  # an address with the token never stays


def test_the_way_back_from_the_token_stays_on_this_host(browser: Callable[..., TestClient]) -> None:
    answer = browser("t").get(f"{ORIGIN}//evil.example/?token=t")
    assert answer.headers["location"] == "/evil.example/"


def test_a_secure_stack_is_not_shown_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with pytest.raises(SystemExit, match="--secure, so LAB_CONSOLE_TOKEN must be set"):
        serve(Stack("shown", 20_000, secure=True), 0)
