"""The console in a real browser: chromium, started once, and a page that fails the test when it reports an error."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.runtime.conftest import ConsoleProcess, Running

PROGRAMS = ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable")
ON_MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
NO_BROWSER = "no browser found: apt-get install chromium, or set CHROMIUM to the path of a Chromium or Chrome"
# What could reach out of the machine is off. The name of another site leads here, as an attacker's DNS may answer.
OPTIONS = [
    "--host-resolver-rules=MAP elsewhere.example 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
WIDE = {"width": 1400, "height": 900}
expect.set_options(timeout=15_000)


def find_browser() -> str | None:
    """Return the path of a Chromium or Chrome, None without one."""
    paths = [os.environ.get("CHROMIUM"), *PROGRAMS, ON_MACOS]
    return next((found for path in paths if path and (found := shutil.which(path))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium with a new, empty profile. Without one the test is skipped, or fails in CI."""
    program = find_browser()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*OPTIONS, *as_root])
        yield browser
        browser.close()


@pytest.fixture
def lab(browser: Browser, console: ConsoleProcess, lab: Running) -> Running:
    """The lab of the test's mark, whose sidecars send their spans to the console."""
    return lab


@pytest.fixture(scope="session")
def profile(browser: Browser, console_of_the_session: ConsoleProcess) -> Iterator[BrowserContext]:
    """A profile for the tabs of all tests, which know the console's scripts already."""
    context = browser.new_context(base_url=console_of_the_session.url, viewport=WIDE)
    yield context
    context.close()


@pytest.fixture
def page(profile: BrowserContext, console: ConsoleProcess) -> Iterator[Page]:
    """An empty tab, 1400 pixels wide. Paths such as `page.goto("/traces")` are the console's."""
    with watched(profile.new_page(), console) as page:
        yield page
    page.close()


@contextmanager
def opened(browser: Browser, console: ConsoleProcess, *, may_report: str = "", **options: Any) -> Generator[Page]:
    """Open a tab with an empty profile, as `watched` does. options: those of playwright's `new_context`."""
    context = browser.new_context(base_url=console.url, **{"viewport": WIDE} | options)
    with watched(context.new_page(), console, may_report) as page:
        yield page
    context.close()


@contextmanager
def watched(page: Page, console: ConsoleProcess, may_report: str = "") -> Generator[Page]:
    """Fail on any error that the tab reports in the block, and on a request to another host.

    may_report: a pattern of error messages that the test expects.
    """
    reported: list[str] = []
    page.on("console", lambda entry: reported.append(entry.text) if entry.type == "error" else None)
    page.on("pageerror", lambda error: reported.append(str(error)))
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url))
    page.on("websocket", lambda socket: elsewhere.append(socket.url))
    yield page
    assert [line for line in reported if not (may_report and re.search(may_report, line))] == []
    own = (console.url, console.url.replace("http", "ws", 1), "data:", "blob:")
    assert [url for url in elsewhere if not url.startswith(own)] == []


def visit(page: Page, path: str) -> None:
    """Open a page of the console and wait until each of its parts has been loaded."""
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("Loading …")).to_have_count(0)
