"""The page of an app: each button's effect at the service, its faults, and its logs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from labctl.up import processes, readiness
from labctl.up.processes import wait_until
from tests.runtime.conftest import Running
from tests.runtime.console.conftest import visit

pytestmark = pytest.mark.lab("invocation")
SLOW = 40_000  # milliseconds for a restart on a busy machine


def runs(lab: Running, kind: str) -> bool:
    """Return whether the app or the sidecar of callee runs."""
    return any(one.name == "callee-app" and one.kind == kind for one in processes.find(lab.stack))


def test_an_app_is_killed_and_restarted_by_buttons(page: Page, lab: Running) -> None:
    page.goto("/apps/callee-app")
    state, notice = page.get_by_role("status"), page.get_by_role("alert")
    expect(state.filter(has_text=re.compile("^Ready$"))).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^Sidecar"))).to_contain_text(str(lab.pid("callee-app", "sidecar")))
    expect(page.get_by_text("./lab kill callee-app", exact=True)).to_be_visible()
    page.get_by_role("button", name="Kill app").click()
    expect(notice.filter(has_text="Killed callee-app (pid")).to_be_visible(timeout=SLOW)
    assert wait_until(lambda: not runs(lab, "app"), 20)
    assert runs(lab, "sidecar")
    expect(state.filter(has_text="App not running")).to_be_visible()
    expect(state.filter(has_text="callee-app does not answer").first).to_be_visible()  # its fault switches
    page.get_by_role("button", name="Restart", exact=True).click()
    expect(notice.filter(has_text="callee-app is ready again")).to_be_visible(timeout=SLOW)
    assert readiness.is_ready(lab.app("callee-app"))
    expect(state.filter(has_text=re.compile("^Ready$"))).to_be_visible()


def test_a_sidecar_is_killed_and_restarted_by_buttons(page: Page, lab: Running) -> None:
    page.goto("/apps/callee-app")
    pid, notice = lab.pid("callee-app"), page.get_by_role("alert")
    page.get_by_role("button", name="Kill sidecar").click()
    expect(notice.filter(has_text="Killed callee-app's sidecar")).to_be_visible(timeout=SLOW)
    assert wait_until(lambda: not runs(lab, "sidecar"), 20)
    expect(page.get_by_role("status").filter(has_text="Sidecar not running")).to_be_visible()
    page.get_by_role("button", name="Kill sidecar").click()
    expect(notice.filter(has_text="callee-app's sidecar does not run here")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Restart sidecar").click()
    expect(notice.filter(has_text=re.compile("sidecar.* is ready again"))).to_be_visible(timeout=SLOW)
    assert readiness.is_ready(lab.app("callee-app"))
    assert lab.pid("callee-app") == pid


def test_a_fault_set_here_strikes_and_is_in_the_log(page: Page, lab: Running) -> None:
    visit(page, "/apps/callee-app")
    faults = lab.url("callee-app", "/faults")
    page.get_by_label("Number of the next calls that fail").fill("3")
    page.get_by_label("HTTP status of the calls that fail").fill("503")
    page.get_by_role("button", name="Set faults").click()
    wanted = {"fail_next": 3, "delay_ms": 0, "status": 503}
    assert wait_until(lambda: wanted.items() <= lab.http.get(faults).json().items(), 10)
    on = page.get_by_role("status", name="Faults that are on")
    expect(on).to_contain_text('"fail_next": 3')
    lab.http.get(lab.url("callee-app", "/greet/Ada"))
    expect(on).to_contain_text('"fail_next": 2')
    expect(page.get_by_role("region", name="Log of the app")).to_contain_text("Simulating failure #1")
    expect(page.get_by_role("region", name="Log of its sidecar")).to_contain_text("dapr")
    page.get_by_role("button", name="Turn all faults off").click()
    assert wait_until(lambda: lab.http.get(faults).json()["fail_next"] == 0, 10)
    page.get_by_label("HTTP status of the calls that fail").fill("200")
    page.get_by_role("button", name="Set faults").click()
    expect(page.get_by_role("alert").filter(has_text="callee-app answered 422 to PUT /faults")).to_be_visible()


def test_an_unknown_app_is_a_sentence(page: Page, lab: Running) -> None:
    page.goto("/apps/no-app")
    expect(page.get_by_text("There is no app 'no-app'. The apps are: callee-app")).to_be_visible()
