"""The console shows no secret, and in secure mode it shows nothing without its token."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlparse

import httpx
import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect
from rich.console import Console

from labctl import runfile
from labctl.stack import ROOT, Stack
from labctl.up import infrastructure, lifecycle, processes, web_console
from tests.docs.ports import OFFSET
from tests.runtime.chat.conftest import Chat, fresh
from tests.runtime.conftest import ConsoleProcess, Running
from tests.runtime.console.conftest import opened, visit

PAGES = ("/", "/traces", "/workflows", "/events", "/state", "/labs")
SHORTEST = 8  # characters of a text that cannot be elsewhere by chance
SECURE = Stack("secure-console", OFFSET, secure=True)
OF_A_KIND = 2  # pages that are opened of each kind, such as /apps/…


def texts(value: Any) -> Iterator[str]:
    """Yield each text in a JSON document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)


def secrets_of(stack: Stack) -> dict[str, str]:
    """Return each secret of this checkout and of the stack, with the file that has it."""
    found: dict[str, str] = {}
    for file in (ROOT / "secrets").rglob("*.json"):
        if "example" not in file.name:
            found |= dict.fromkeys(texts(json.loads(file.read_text())), file.name)
    private = infrastructure.redis_config(stack).parent
    for file in private.glob("*") if stack.secure else ():
        found |= {value: file.name for value in re.split(r"[\s=]+", file.read_text()) if not value.endswith("_TOKEN")}
    return {value: name for value, name in found.items() if len(value) >= SHORTEST and value != "requirepass"}


@contextmanager
def recorded(page: Page) -> Iterator[list[str]]:
    """Record all that the console sends to a page: documents, scripts, and the messages of its socket."""
    sent: list[str] = []

    def follow(socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: sent.append(data if isinstance(data, str) else data.decode("latin-1")))

    page.on("websocket", follow)
    page.on("requestfinished", lambda request: sent.append(body(request.response())))
    yield sent


def body(response: Any) -> str:
    """Return the text of an answer. A redirection and a script of the browser's cache have none."""
    is_page = response and response.ok and "html" in response.headers.get("content-type", "")
    return response.text() if is_page else ""


def walk(page: Page) -> set[str]:
    """Open each page of the console, and some of each kind to which it links. Return the paths."""
    waiting, opened_kinds = list(PAGES), dict[str, int]()
    done: set[str] = set()
    while waiting:
        path = waiting.pop(0)
        visit(page, path)
        done.add(path)
        # All at once: a page replaces its links as it learns more.
        for found in page.locator("a[href^='/']").evaluate_all("links => links.map(one => one.getAttribute('href'))"):
            kind = "/".join(found.partition("?")[0].split("/")[:-1])
            if found not in done and found not in waiting and kind and opened_kinds.get(kind, 0) < OF_A_KIND:
                opened_kinds[kind] = opened_kinds.get(kind, 0) + 1
                waiting.append(found)
    return done


def assert_no_secret(page: Page, stack: Stack) -> None:
    """Walk through all pages and search all that the console sends them for each secret."""
    with recorded(page) as sent:
        paths = walk(page)
    assert {"apps", "labs"} <= {path.split("/")[1] for path in paths if path.count("/") > 1}
    everything = "\n".join(sent)
    assert "chat-service" in everything
    known = secrets_of(stack)
    assert known
    assert {name for value, name in known.items() if value in everything} == set()


@pytest.mark.lab("chat")
def test_no_page_has_a_secret(page: Page, lab: Running) -> None:
    Chat(lab.stack, lab.apps, lab.http).say("ada", "I like tea.", fresh("secrets"))
    assert_no_secret(page, lab.stack)


@pytest.fixture
def secure_console(browser: Browser) -> Iterator[ConsoleProcess]:
    """The console of the chat lab in secure mode, beside the stack of the other tests."""
    lifecycle.down(SECURE)
    apps = runfile.select(runfile.read_apps(SECURE), ["chat"])
    lifecycle.up(SECURE, apps, Console(stderr=True), with_console=True)
    try:
        assert web_console.serves(SECURE)
        yield ConsoleProcess(SECURE)
    finally:
        lifecycle.down(SECURE)
    assert processes.find(SECURE) == []


@pytest.mark.lab("secure")
def test_a_secure_console_asks_for_its_token_and_keeps_it(browser: Browser, secure_console: ConsoleProcess) -> None:
    address = web_console.url(SECURE)
    token = parse_qs(urlparse(address).query)["token"][0]
    with httpx.Client(base_url=secure_console.url, trust_env=False) as http:
        for path in [*PAGES, "/labs/chat", "/_nicegui_ws/socket.io/?EIO=4&transport=polling", "/favicon.ico", "/none"]:
            for wrong in ({}, {"token": ""}, {"token": token[:-1]}, {"token": f"{token}x"}):
                answer = http.get(path, params=wrong)
                assert answer.status_code == 401, path
                assert token not in answer.text
            assert http.post(path, params={"token": token}).status_code == 401
    with opened(browser, secure_console) as page:
        page.goto(f"/?token={token}")
        expect(page.get_by_role("heading", level=1, name="Map")).to_be_visible()
        assert "token" not in page.url
        [cookie] = page.context.cookies()
        assert (cookie["value"], cookie["httpOnly"], cookie["sameSite"]) == (token, True, "Strict")
        assert page.evaluate("document.cookie") == ""
        with httpx.Client(timeout=60) as http:
            Chat(SECURE, runfile.read_apps(SECURE), http).say("ada", "I like tea.", fresh("secrets"))
        assert_no_secret(page, SECURE)
    with opened(browser, secure_console, may_report="401") as page:
        answer = page.goto("/")
        assert answer
        assert answer.status == 401
