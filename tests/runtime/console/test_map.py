"""The map: calls on its lines, states in words, and the way to an app."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from labctl.up import control
from tests.runtime.conftest import ConsoleProcess, Running
from tests.runtime.console.conftest import opened

pytestmark = pytest.mark.lab("invocation")
CALLS = 100


def call(lab: Running, times: int) -> None:
    """Call callee through caller and both sidecars."""
    for _ in range(times):
        lab.http.get(lab.url("caller-app", "/call-greet/Ada"))


def test_a_call_is_on_its_line_with_its_rate_and_its_failures(page: Page, lab: Running) -> None:
    page.goto("/?lab=invocation")
    call(lab, CALLS)
    row = page.get_by_role("region", name="Calls").get_by_role("row", name=re.compile("^caller-app callee-app"))
    expect(row).to_contain_text(re.compile(r"(?<![\d.])[1-9](\.\d)?/s"))
    expect(page.locator(".map svg text").filter(has_text=re.compile(r"^[1-9](\.\d)?/s$"))).to_have_count(1)
    lab.http.put(lab.url("callee-app", "/faults"), json={"fail_next": 1_000, "status": 404}).raise_for_status()
    call(lab, 1)
    expect(row).to_contain_text(re.compile(r"\d % failed"))
    expect(page.locator(".map path.fails")).to_have_count(1)


def test_a_state_is_in_words_and_a_box_leads_to_its_app(page: Page, lab: Running) -> None:
    page.goto("/")
    box = page.locator(".map").get_by_role("link", name="callee-app", exact=False).first
    expect(box).to_contain_text("ready")
    expect(page.locator(".map").get_by_text("state.redis").first).to_be_visible()
    control.kill(lab.stack, "callee-app", sidecar=True)
    expect(box).to_contain_text("sidecar not running")
    expect(page.get_by_role("region", name="Apps").get_by_role("row", name=re.compile("^callee-app"))).to_contain_text(
        "sidecar not running"
    )
    control.restart(lab.stack, "callee-app", sidecar=True)
    expect(box).to_contain_text("ready")
    expect(page.locator(".map").get_by_role("link", name="redis")).to_contain_text("runs")
    box.click()
    expect(page.get_by_role("heading", level=1, name="callee-app")).to_be_visible()


def test_a_narrow_screen_has_the_tables_alone(browser: Browser, console: ConsoleProcess, lab: Running) -> None:
    with opened(browser, console, viewport={"width": 390, "height": 844}) as page:
        page.goto("/?lab=invocation")
        expect(page.get_by_role("region", name="Apps").get_by_role("link", name="caller-app")).to_be_visible()
        expect(page.locator(".map")).to_be_hidden()
        expect(page.get_by_text("pizza-order")).to_have_count(0)


def test_redis_and_the_control_plane_have_buttons(page: Page, lab: Running) -> None:
    page.goto("/")
    for name in ("redis", "placement", "scheduler"):
        expect(page.get_by_role("button", name=f"Kill {name}")).to_be_visible()
    page.get_by_role("button", name="Restart placement").click()
    expect(page.get_by_role("alert").filter(has_text="placement is ready again")).to_be_visible(timeout=40_000)
