"""The pages of workflows: what a button does is checked at the service."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from labctl.up.processes import wait_until
from tests.runtime.conftest import Running
from tests.runtime.console.conftest import visit
from tests.runtime.patterns.conftest import APP, Patterns
from tests.runtime.patterns.conftest import SOON as RUN_SOON
from tests.runtime.pizza.conftest import SOON, WORKFLOW, Pizza

ACTIVITIES = ("order_pizza", "cook_pizza", "quality_check_workflow", "validate_pizza")
SLOW = 30_000  # milliseconds for an effect on a busy machine


def status(page: Page, word: str) -> Locator:
    """Return the badge beside the instance's id."""
    return page.locator(".q-badge").filter(has_text=re.compile(f"^{word}$")).first


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def instance_is_gone(lab: Running, app_id: str, instance_id: str) -> bool:
    return lab.http.get(lab.sidecar(app_id, f"/v1.0/workflows/dapr/{instance_id}")).status_code == 404


@pytest.mark.lab("pizza")
def test_an_order_is_followed_paused_resumed_approved_and_purged(page: Page, lab: Running) -> None:
    pizza = Pizza(lab.stack, lab.apps, lab.http)
    order_id = pizza.order()
    instance_id = f"pizza-order-{order_id}"
    page.goto(f"/workflows?app={WORKFLOW}&name={order_id}")
    page.get_by_role("link", name=instance_id, exact=True).click()
    pizza.until(order_id, "validate_pizza")
    expect(page.get_by_text("Waits for: CancelOrder, ValidationComplete")).to_be_visible(timeout=SLOW)
    names = page.get_by_role("table").locator("tbody .wf-what > div > *:first-child").all_inner_texts()
    assert [name for name in names if name in ACTIVITIES] == list(ACTIVITIES)
    expect(page.get_by_text(f'/pause-order {{"order_id": "{order_id}"}}')).to_be_visible()
    expect(page.get_by_role("button", name="Resume", exact=True)).to_be_disabled()

    press(page, "Pause")
    assert wait_until(lambda: pizza.state(order_id)["paused"], SOON)
    expect(status(page, "suspended")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_disabled()

    press(page, "Resume")
    assert wait_until(lambda: not pizza.state(order_id)["paused"], SOON)
    expect(status(page, "running")).to_be_visible(timeout=SLOW)

    press(page, "Approve")
    pizza.assert_delivered_once(order_id)
    expect(status(page, "completed")).to_be_visible(timeout=SLOW)
    page.get_by_role("row").filter(has_text="deliver_pizza").get_by_role("button", name="Facts of").click()
    expect(page.get_by_text(f'"order_id": "{order_id}"').last).to_be_visible()

    press(page, "Purge …")
    press(page, "Keep it")
    assert not instance_is_gone(lab, WORKFLOW, instance_id)
    press(page, "Purge …")
    press(page, "Purge it")
    expect(page.get_by_text(f"{WORKFLOW} has no workflow instance {instance_id}, or no longer.")).to_be_visible()
    assert instance_is_gone(lab, WORKFLOW, instance_id)


@pytest.mark.lab("patterns")
def test_a_run_gets_its_event_and_another_is_terminated_and_purged(page: Page, lab: Running) -> None:
    patterns = Patterns(lab.stack, lab.apps, lab.http)
    expense, letter = patterns.start("approval"), patterns.start("versioning")
    patterns.wait_for_note(expense, "waits for a decision")
    visit(page, f"/workflows/{APP}/{expense}")
    expect(page.get_by_label("Event")).to_have_value("decision")
    expect(page.get_by_text(f"/patterns/{expense}/events/decision")).to_be_visible()
    data = page.get_by_label("Data (JSON)")
    data.fill("{approved")
    press(page, "Raise event")
    expect(page.get_by_role("alert").filter(has_text="The data is no JSON")).to_be_visible()
    data.fill('{"approved": true}')
    press(page, "Raise event")
    expect(page.get_by_role("alert").filter(has_text=f"{APP} answered 422")).to_be_visible()
    data.fill('{"approved": true, "by": "Ada"}')
    press(page, "Raise event")
    assert patterns.end_of(expense)["result"] == {"outcome": "paid", "by": "Ada"}
    expect(status(page, "completed")).to_be_visible(timeout=SLOW)

    page.goto("/workflows?status=running")
    page.get_by_role("link", name=letter).click()
    expect(page.get_by_text("versioning, version v2 of workflow-patterns")).to_be_visible()
    press(page, "Terminate")
    assert wait_until(lambda: patterns.show(letter)["status"] == "terminated", RUN_SOON)
    expect(status(page, "terminated")).to_be_visible(timeout=SLOW)
    press(page, "Purge …")
    press(page, "Purge it")
    assert wait_until(lambda: patterns.show(letter)["status"] == "removed", RUN_SOON)
    assert instance_is_gone(lab, APP, letter)


@pytest.mark.lab("patterns")
def test_a_child_leads_to_its_parent_and_both_to_their_trace(page: Page, lab: Running) -> None:
    patterns = Patterns(lab.stack, lab.apps, lab.http)
    tour = patterns.start("children")
    patterns.end_of(tour)
    page.goto(f"/workflows/{APP}/{tour}")
    page.get_by_role("link", name="visit").first.click()
    page.get_by_role("link", name=f"Child of {tour}").click()
    expect(page.get_by_text(f"children of {APP}")).to_be_visible()
    page.get_by_role("link", name="Its trace").click()
    expect(page.get_by_role("heading", level=1, name="Trace")).to_be_visible()
    page.get_by_role("link", name=f"Workflow {tour} of {APP}").click()
    expect(page.get_by_text(f"children of {APP}")).to_be_visible()


@pytest.mark.lab("patterns")
def test_what_does_not_exist_or_does_not_run_is_a_sentence(page: Page, lab: Running) -> None:
    page.goto("/workflows")
    # Chat runs if a test of it was earlier, and pizza too.
    shown = page.get_by_text(re.compile("^Not running: .*chat-service")).or_(page.get_by_role("row").nth(1))
    expect(shown.first).to_be_visible()
    page.goto("/workflows/callee-app/x")
    expect(page.get_by_text("No app callee-app has workflows.")).to_be_visible()
    page.goto(f"/workflows/{APP}/nothing")
    expect(page.get_by_text(f"{APP} has no workflow instance nothing")).to_be_visible()
