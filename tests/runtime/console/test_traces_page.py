"""The pages of traces: a call appears with its hops, filters find a failure, and a trace folds out to its facts."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from labctl.up.processes import wait_until
from tests.runtime.conftest import ConsoleProcess, Running
from tests.runtime.console.conftest import visit

pytestmark = pytest.mark.lab("invocation")
SPANS_WITHIN = 30  # seconds: a sidecar sends its spans in batches


def greet(lab: Running, status: int = 200) -> str:
    """Make a call through both sidecars, and return the name that no other call has."""
    name = f"ada-{uuid4().hex[:8]}"  # sidecars send the names of spans in lower case
    assert lab.http.get(lab.url("caller-app", f"/call-greet/{name}")).status_code == status
    return name


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)


def has_arrived(console: ConsoleProcess, lab: Running, name: str) -> bool:
    traces = lab.http.get(f"{console.spans}/traces", params={"limit": 1000}).json()
    return any(span["name"].endswith(name) for trace in traces for span in trace)


def test_a_call_is_a_trace_whose_waterfall_shows_both_sidecars(page: Page, lab: Running) -> None:
    page.goto("/traces")
    name = greet(lab)
    expect(row(page, name)).to_contain_text(f"call callee-app /greet/{name}")
    expect(row(page, name)).to_contain_text("ok")
    page.get_by_role("link", name=name).click()
    expect(page).to_have_url(re.compile("/traces/[0-9a-f]{32}$"))
    lines = row(page, name)
    expect(lines.filter(has_text="caller-app · client")).to_be_visible()
    expect(lines.filter(has_text="callee-app · server")).to_be_visible()
    trace_id = page.url.rsplit("/", 1)[1]
    expect(page.get_by_text(f"./lab trace {trace_id}", exact=True)).to_be_visible()
    fact = page.get_by_text("/dapr.proto.internals.v1.ServiceInvocation/CallLocalStream")
    expect(fact).to_be_hidden()
    lines.filter(has_text="callee-app · server").get_by_role("button", name="Facts of").focus()
    page.keyboard.press("Enter")
    expect(fact).to_be_visible()
    lines.filter(has_text="callee-app · server").click()
    expect(fact).to_be_hidden()


def test_the_filters_find_a_failure_and_a_link_carries_them(page: Page, lab: Running) -> None:
    page.goto("/traces")
    well = greet(lab)
    lab.http.put(lab.url("callee-app", "/faults"), json={"fail_next": 1, "status": 404}).raise_for_status()
    failed = greet(lab, status=404)
    expect(row(page, failed)).to_contain_text("failed")
    expect(row(page, well)).to_be_visible()
    page.get_by_role("switch", name="Errors only").click()
    expect(row(page, well)).to_be_hidden()
    expect(row(page, failed)).to_be_visible()
    page.get_by_role("combobox", name="App").click()
    page.get_by_role("option", name="callee-app", exact=True).click()
    expect(page).to_have_url(re.compile("app=callee-app&error=true"))
    page.reload()
    expect(row(page, failed)).to_be_visible()
    expect(row(page, well)).to_be_hidden()
    page.goto("/traces?app=no-such-app&error=true")
    expect(page.get_by_text("No trace matches the filters.")).to_be_visible()


def test_the_list_holds_still_while_it_is_not_live(page: Page, console: ConsoleProcess, lab: Running) -> None:
    page.goto("/traces")
    first = greet(lab)
    expect(row(page, first)).to_be_visible()
    live = page.get_by_role("switch", name="Live")
    live.click()
    second = greet(lab)
    assert wait_until(lambda: has_arrived(console, lab, second), SPANS_WITHIN)
    expect(row(page, first)).to_be_visible()
    expect(row(page, second)).to_be_hidden()
    live.click()
    expect(row(page, second)).to_be_visible()


def test_a_trace_is_opened_by_its_id(page: Page, lab: Running) -> None:
    visit(page, "/traces")
    wanted = page.get_by_label("Trace id")
    wanted.fill("no id")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert").filter(has_text="A trace id has 32 hexadecimal digits.")).to_be_visible()
    wanted.fill("0" * 31 + "7")
    wanted.press("Enter")
    expect(page.get_by_text("No span of this trace is known.")).to_be_visible()
