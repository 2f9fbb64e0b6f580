"""What an open page says while a part of the labs is down, and what the labs do while the console is."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from labctl.stack import Stack
from labctl.up import control, processes
from tests.docs.ports import OFFSET
from tests.runtime.conftest import ConsoleProcess, Running
from tests.runtime.console.conftest import opened, visit

PAGES = ("/", "/apps/callee-app", "/traces", "/workflows", "/events", "/state", "/labs", "/labs/pizza")
SLOW = 40_000  # milliseconds until a part is well again, on a busy machine
NOT_RUNNING = re.compile(r"\./lab (up|restart)|\brun(s|ning)?\b|No trace yet")
# What a browser reports of a server that is away.
AWAY = "ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket"


def says(page: Page, text: str) -> None:
    """Check that a page says something, and that it is still the whole page."""
    expect(page.get_by_role("status").filter(has_text=re.compile(text)).first).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.lab("invocation")
def test_a_page_stays_when_an_app_or_its_sidecar_is_killed(page: Page, lab: Running) -> None:
    visit(page, "/apps/callee-app")
    says(page, "^Ready$")
    control.kill(lab.stack, "callee-app")
    says(page, "App not running")
    control.restart(lab.stack, "callee-app", app=lab.app("callee-app"))
    says(page, "^Ready$")
    control.kill(lab.stack, "callee-app", sidecar=True)
    says(page, "Sidecar not running")
    visit(page, "/")
    expect(page.get_by_role("link", name=re.compile("callee-app")).first).to_be_visible()


@pytest.mark.lab("invocation")
def test_a_page_says_that_redis_is_down_until_it_is_back(page: Page, lab: Running) -> None:
    visit(page, "/events")
    control.kill(lab.stack, "redis")
    says(page, r"Redis does not answer on port \d+\. Bring it back: \./lab restart redis")
    control.restart(lab.stack, "redis")
    expect(page.get_by_text("Redis does not answer")).to_have_count(0, timeout=SLOW)


@pytest.mark.lab("invocation")
def test_the_labs_go_on_without_the_console(browser: Browser, console: ConsoleProcess, lab: Running) -> None:
    sidecars = {one.pid for one in processes.find(lab.stack) if one.kind == "sidecar"}
    with opened(browser, console, may_report=AWAY) as page:
        visit(page, "/apps/callee-app")
        assert console.process
        os.kill(console.process.pid, signal.SIGKILL)
        console.process.wait(10)
        for name in ("Ada", "Grace", "Edith"):
            answer = lab.http.get(lab.url("caller-app", f"/call-greet/{name}"))
            assert answer.status_code == 200, answer.text
        assert {one.pid for one in processes.find(lab.stack) if one.kind == "sidecar"} == sidecars
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        console.start()
        # The open page connects again, and is alive: it sees what happens now.
        expect(page.get_by_text("Loading …")).to_have_count(0)
        control.kill(lab.stack, "callee-app")
        says(page, "App not running")


@pytest.fixture
def console_alone() -> Iterator[ConsoleProcess]:
    """The console of a stack that never ran."""
    console = ConsoleProcess(Stack("nothing", OFFSET))
    console.start()
    yield console
    console.stop()


def test_each_page_says_that_no_lab_runs(browser: Browser, console_alone: ConsoleProcess) -> None:
    with opened(browser, console_alone) as page:
        for path in PAGES:
            visit(page, path)
            expect(
                page.get_by_text(re.compile(r"\./lab (up|restart)|\brun(s|ning)?\b|No trace yet")).first
            ).to_be_visible()
            assert "Traceback" not in page.content()
