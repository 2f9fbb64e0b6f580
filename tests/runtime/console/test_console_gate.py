"""Attacks on the console: from pages of other sites, in a real browser, and from other machines."""

from __future__ import annotations

import http.client
import http.server
import socket
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from labctl.up import processes
from tests.runtime.conftest import ConsoleProcess, Running
from tests.serving import serving

pytestmark = pytest.mark.lab("invocation")
# A name that the browser of these tests resolves to this machine, as an attacker's DNS server would (conftest.py).
ELSEWHERE = "elsewhere.example"
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport="
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
# What a page of another site can try without the help of its user. Each attempt says whether it got through.
ATTEMPTS = """
async ([console_, socket]) => {
    const through = (promise) => promise.then(() => true, () => false);
    const loads = (tag, url) => new Promise((resolve) => {
        const element = document.createElement(tag);
        element.onload = () => resolve(true);
        element.onerror = () => resolve(false);
        element.src = url;
        document.body.append(element);
    });
    const connects = (url) => new Promise((resolve) => {
        const socket = new WebSocket(url);
        socket.onopen = () => { socket.close(); resolve(true); };
        socket.onerror = () => resolve(false);
    });
    // Whether a frame shows the console is not for this page to see: the test looks at the answers.
    const frames = (name) => new Promise((resolve) => {
        const frame = document.createElement("iframe");
        frame.onload = () => resolve(frame);
        frame.name = name;
        frame.src = name ? "" : console_;
        document.body.append(frame);
    });
    const submits = async (method) => {
        const frame = await frames(method);
        const form = document.createElement("form");
        Object.assign(form, { method, action: console_, target: method });
        document.body.append(form);
        await new Promise((resolve) => { frame.onload = resolve; form.submit(); });
    };
    await frames("");
    await submits("get");
    await submits("post");
    const polling = console_ + "/_nicegui_ws/socket.io/?EIO=4&transport=polling";
    return {
        "fetch": await through(fetch(console_)),
        "fetch with cookies": await through(fetch(console_, { credentials: "include" })),
        "fetch of JSON": await through(fetch(console_, { method: "POST", body: "{}",
            headers: { "Content-Type": "application/json" } })),
        "polling": await through(fetch(polling)),
        "polling by POST": await through(fetch(polling, { method: "POST", body: "40" })),
        "WebSocket": await connects(socket),
        "script": await loads("script", polling),
        "picture": await loads("img", console_ + "/favicon.ico"),
    };
}
"""
OWN = """
async ([console_, address]) => [(await fetch(console_)).status, await new Promise((resolve) => {
    const socket = new WebSocket(address);
    socket.onopen = () => { socket.close(); resolve("open"); };
    socket.onerror = () => resolve("closed");
})]
"""
# Sent all the same, but the page does not see the answer.
BLIND = """
async (console_) => {
    for (const path of ["/", "/_nicegui_ws/socket.io/?EIO=4&transport=polling"])
        for (const method of ["GET", "POST"])
            await fetch(console_ + path, { mode: "no-cors", method, credentials: "include" }).catch(() => null);
}
"""


class _Empty(http.server.BaseHTTPRequestHandler):
    """A page of another site."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>Another site</title><link rel=icon href=data:,><body></body>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture
def other_site() -> Iterator[int]:
    """The port of a web server that is not the console."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
    with serving(server):
        yield server.server_address[1]


def status(console: ConsoleProcess, method: str, path: str, host: str, **headers: str) -> int:
    """Return the status of a request with exactly these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    for name, value in {"Host": host, "Content-Length": "0", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    try:
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    "host",
    ["", "localhost", "localhost:80", "0.0.0.0:{}", "[::]:{}", "elsewhere.example", "elsewhere.example:{}",
     "localhost.elsewhere.example:{}", "127.0.0.1:{}.elsewhere.example", "elsewhere.example@127.0.0.1:{}"],
)  # fmt: skip
def test_a_request_for_another_host_is_refused(console: ConsoleProcess, host: str) -> None:
    host = host.format(console.port)
    assert status(console, "GET", "/", f"localhost:{console.port}") == 200
    assert status(console, "GET", "/", host) == 400
    assert status(console, "POST", "/", host) == 400
    assert status(console, "GET", f"{SOCKET}polling", host) == 400
    assert status(console, "GET", f"{SOCKET}websocket", host, **UPGRADE) == 403


@pytest.mark.parametrize(
    "origin",
    ["null", "http://elsewhere.example", "https://127.0.0.1:{}", "http://127.0.0.1", "http://localhost:1",
     "http://127.0.0.1:{}.elsewhere.example", "http://elsewhere.example/http://127.0.0.1:{}", "file://"],
)  # fmt: skip
def test_a_request_of_a_page_elsewhere_is_refused(console: ConsoleProcess, origin: str) -> None:
    own, origin = f"127.0.0.1:{console.port}", origin.format(console.port)
    assert status(console, "GET", f"{SOCKET}websocket", own, **UPGRADE, Origin=f"http://{own}") == 101
    assert status(console, "GET", f"{SOCKET}websocket", own, **UPGRADE, Origin=origin) == 403
    for method, path in (("GET", "/"), ("POST", "/"), ("GET", f"{SOCKET}polling"), ("POST", f"{SOCKET}polling")):
        assert status(console, method, path, own, Origin=origin) == 403


def test_the_console_is_open_on_loopback_only(console: ConsoleProcess) -> None:
    addresses = {
        entry.address.partition("%")[0]
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family in (socket.AF_INET, socket.AF_INET6)
    }
    # Every address of 127/8 is this machine's. Only a port that is open on all interfaces answers there.
    for address in addresses - {"127.0.0.1"} | {"127.0.0.2"}:
        for port in (console.port, console.spans_port):
            assert not processes.answers(port, address), (address, port)


@pytest.mark.parametrize("site", ["127.0.0.1", "localhost", ELSEWHERE])
def test_a_page_of_another_site_does_nothing(
    browser: Browser, console: ConsoleProcess, lab: Running, page: Page, other_site: int, site: str
) -> None:
    """It even knows the address of an open page's socket."""
    with page.expect_websocket() as found:
        page.goto("/apps/callee-app")
    attack = [console.url, found.value.url]
    # A page of the console may, so the attempts below fail because of the gate.
    assert page.evaluate(OWN, attack) == [200, "open"]
    pid = lab.pid("callee-app")
    context = browser.new_context()
    try:
        attacker = context.new_page()
        statuses: list[int] = []
        # Playwright itself does not report an answer that the browser keeps from the page.
        network = context.new_cdp_session(attacker)
        network.on("Network.responseReceivedExtraInfo", lambda answer: statuses.append(answer["statusCode"]))
        attacker.goto(f"http://{site}:{other_site}/")
        network.send("Network.enable")
        assert {name for name, through in attacker.evaluate(ATTEMPTS, attack).items() if through} == set()
        attacker.evaluate(BLIND, console.url)
        assert len(statuses) > 10, statuses
        assert set(statuses) == {403}
        # Another name for this machine, by which the page would be of the console's own origin.
        answer = attacker.goto(f"http://{ELSEWHERE}:{console.port}/")
        assert answer
        assert answer.status == 400
    finally:
        context.close()
    assert lab.pid("callee-app") == pid
    expect(page.get_by_role("heading", level=1)).to_be_visible()
