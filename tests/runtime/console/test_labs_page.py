"""The labs page: each press has its effect at the service."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from labctl.stack import ROOT
from labctl.up.processes import wait_until
from tests.runtime.conftest import Running
from tests.runtime.console.conftest import visit

FILES = {path.stem.split("-")[0]: path for path in sorted((ROOT / "requests").glob("*.http"))}
LABS = ("invocation", "jobs", "chat", "pizza", "blocks", "patterns")


def press(page: Page | Locator, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def get(lab: Running, app_id: str, path: str) -> dict[str, Any]:
    answer = lab.http.get(lab.url(app_id, path))
    return answer.json() if answer.is_success else {}


@pytest.mark.lab("invocation")
def test_each_lab_has_a_card_and_all_requests_of_its_file(page: Page, lab: Running) -> None:
    page.goto("/labs")
    expect(page.get_by_role("heading", level=2)).to_have_count(len(LABS))
    expect(page.get_by_text("invocation runs", exact=True)).to_be_visible()
    for number, name in enumerate(LABS, 1):
        if number == 1:
            page.get_by_role("link", name=f"Open {name}").click()
        else:
            page.goto(f"/labs/{name}")
        expect(page.get_by_role("heading", level=1)).to_contain_text(f"Lab {number}")
        expect(page.get_by_text(f"docs/labs/{FILES[str(number)].stem}.md")).to_be_visible()
        titles = re.findall("^### *(.*)$", FILES[str(number)].read_text(), re.MULTILINE)
        details = page.get_by_role("button", name=re.compile("^Details: "))
        expect(details).to_have_count(len(titles))
        assert details.evaluate_all("all => all.map(one => one.ariaLabel)") == [f"Details: {one}" for one in titles]
    page.goto("/labs/nothing")
    expect(page.get_by_text("There is no lab 'nothing'")).to_be_visible()


@pytest.mark.lab("invocation")
def test_an_edited_request_sets_a_fault_and_dapr_retries_until_the_third_attempt(page: Page, lab: Running) -> None:
    visit(page, "/labs/invocation")
    title = "callee: let one greeting fail"
    row = page.get_by_role("listitem").filter(has=page.get_by_role("button", name=title, exact=True))
    press(row, f"Details: {title}")
    # Late, so that the second attempt can be seen before the third one succeeds.
    body = '{"fail_next": 2, "delay_ms": 2000}'
    row.get_by_label("Body").fill(body)
    expect(row.get_by_role("region", name=f"curl for {title}")).to_contain_text(f"--data-binary '{body}'")
    press(row, title)
    expect(row.get_by_text(re.compile("^200 OK after [0-9]+ ms$"))).to_be_visible()
    expect(row.get_by_role("region", name=f"Answer to {title}")).to_contain_text('"fail_next": 2')
    expect(row.get_by_role("link", name="Its trace")).to_have_attribute("href", re.compile("^/traces/[0-9a-f]{32}$"))
    assert get(lab, "callee-app", "/faults")["fail_next"] == 2
    expect(page.get_by_role("status", name="Faults that are on")).to_contain_text('"fail_next": 2')
    press(page, "Greet")
    expect(page.get_by_text(re.compile("Attempts so far: 2"))).to_be_visible()
    cells = page.get_by_role("region", name="Calls").get_by_role("row").nth(1).get_by_role("cell")
    expect(cells.nth(2)).to_have_text("Hello, Ada from callee-app!")
    expect(cells.nth(3)).to_have_text("3")
    page.get_by_role("combobox", name="Via").click()
    page.get_by_role("option", name="gRPC, proxied to callee-grpc-app").click()
    press(page, "Greet")
    expect(cells.nth(2)).to_have_text("Hello, Ada from callee-grpc-app!")


@pytest.mark.lab("jobs")
def test_a_job_is_scheduled_its_runs_appear_and_it_is_deleted(page: Page, lab: Running) -> None:
    name = f"console-{uuid4().hex[:6]}"
    visit(page, "/labs/jobs")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Schedule", exact=True).fill("@every 1s")
    page.get_by_label("Repeats").fill("2")
    press(page, "Schedule")
    expect(page.get_by_text(f"Job '{name}' scheduled successfully.")).to_be_visible()
    runs = page.get_by_role("region", name="Runs").get_by_role("row", name=re.compile(f"{name}.*succeeded"))
    expect(runs).to_have_count(2)
    assert len(get(lab, "scheduler-test-py", f"/runs/{name}")["runs"]) == 2
    page.get_by_label("Schedule", exact=True).fill("@hourly")
    press(page, "Schedule")
    assert wait_until(lambda: bool(get(lab, "scheduler-test-py", f"/get-job/{name}")), 10)
    press(page, "Show")
    expect(page.get_by_text('schedule: "@hourly"')).to_be_visible()
    press(page, "Schedule")
    expect(page.get_by_text(re.compile("^Refused: job_name: there is a job of this name"))).to_be_visible()
    press(page, "Delete")
    expect(page.get_by_text(f"Job '{name}' deleted successfully.")).to_be_visible()
    assert get(lab, "scheduler-test-py", f"/get-job/{name}") == {}


@pytest.mark.lab("chat")
def test_a_message_gets_its_reply_and_memory_learns_and_forgets(page: Page, lab: Running) -> None:
    visit(page, "/labs/chat")
    user = page.get_by_label("User", exact=True).input_value()
    session = page.get_by_label("Session", exact=True).input_value()
    expect(page.get_by_text(f"agent-memory-service knows nothing of {user}.")).to_be_visible()
    press(page, "Initialize")
    expect(page.get_by_text("Style: formal")).to_be_visible()
    page.get_by_label("Message", exact=True).fill("I want <b>workflows</b>")
    page.get_by_label("Message", exact=True).press("Enter")
    reply = "Greetings, Ada! I noted “I want <b>workflows</b>”."
    bubbles = page.get_by_role("log", name="Messages")
    expect(bubbles.get_by_text(reply)).to_be_visible()
    expect(bubbles.get_by_text("by the offline responder")).to_be_visible()
    expect(page.get_by_role("list", name="The conversation in memory")).to_contain_text(f"assistant: {reply}")
    assert get(lab, "agent-memory-service", f"/conversations/{session}")["history"][1]["content"] == reply
    workflow = bubbles.get_by_role("link", name="Its workflow").get_attribute("href")
    assert workflow
    assert get(lab, "chat-service", f"/chat/{workflow.rsplit('/', 1)[-1]}")["reply"] == reply
    press(page, "Forget this user")
    expect(page.get_by_text(f"Forgetting {user}.")).to_be_visible()
    expect(page.get_by_text(f"agent-memory-service knows nothing of {user}.")).to_be_visible()
    assert get(lab, "agent-memory-service", f"/memories/{quote(user)}") == {}


@pytest.mark.lab("pizza")
def test_orders_are_placed_paused_rejected_approved_and_cancelled_on_the_board(page: Page, lab: Running) -> None:
    page.goto("/labs/pizza")
    first, second = place(page), place(page)
    for order in (first, second):
        expect(card(page, order).get_by_text("pending_validation", exact=True)).to_be_visible()

    press(page, f"Approve {first}")
    expect(card(page, first).get_by_text("delivered", exact=True)).to_be_visible()
    assert get(lab, "pizza-workflow", f"/orders/{first}")["result"]["final_status"] == "delivered"
    expect(card(page, first).get_by_role("button", name="Approve")).to_have_count(0)

    press(page, f"Pause {second}")
    expect(card(page, second).get_by_text("pending_validation, paused")).to_be_visible()
    assert get(lab, "pizza-workflow", f"/orders/{second}")["paused"] is True
    expect(page.get_by_role("button", name=f"Pause {second}")).to_be_disabled()
    press(page, f"Resume {second}")
    expect(page.get_by_role("button", name=f"Resume {second}")).to_be_disabled()
    assert get(lab, "pizza-workflow", f"/orders/{second}")["paused"] is False

    press(page, f"Reject {second}")
    expect(card(page, second).get_by_text(re.compile("no. 2, step validate_pizza"))).to_be_visible()
    assert get(lab, "pizza-workflow", f"/orders/{second}")["attempt"] == 2
    card(page, second).get_by_role("button", name="Timeline").click()
    expect(card(page, second).get_by_role("listitem").filter(has_text="cooking, pizza 2")).to_be_visible()

    press(page, f"Cancel {second}")
    page.get_by_label("Reason").fill("the test is over")
    press(page, "Cancel the order")
    expect(card(page, second).get_by_text("cancelled", exact=True)).to_be_visible()
    kitchen = [entry["status"] for entry in get(lab, "pizza-kitchen", f"/ledger/{second}")["entries"]]
    assert sorted(kitchen) == ["cooked", "cooked", "discarded", "discarded"]
    assert "refunded" in [entry["status"] for entry in get(lab, "pizza-storefront", f"/ledger/{second}")["entries"]]


def place(page: Page) -> str:
    """Place an order on the board. Return its id."""
    placed = page.get_by_text(re.compile("^Ordered: console-"))
    before = placed.inner_text() if placed.count() else ""
    press(page, "Order")
    expect(placed).not_to_have_text(before)
    order_id = placed.inner_text().removeprefix("Ordered: ").rstrip(".")
    expect(card(page, order_id)).to_be_visible()
    return order_id


def card(page: Page, order_id: str) -> Locator:
    return page.get_by_role("listitem", name=f"Order {order_id}")


@pytest.mark.lab("patterns")
def test_a_pattern_is_started_and_its_event_is_raised(page: Page, lab: Running) -> None:
    visit(page, "/labs/patterns")
    press(page, "Start approval")
    started = page.get_by_text(re.compile("^Started: approval-"))
    expect(started).to_be_visible()
    instance = started.inner_text().removeprefix("Started: ").rstrip(".")
    press(page, f"Raise decision for {instance}")
    expect(page.get_by_text("approval: completed")).to_be_visible()
    assert get(lab, "workflow-patterns", f"/patterns/{instance}")["status"] == "completed"
    page.get_by_label("Input of saga").fill("no JSON")
    press(page, "Start saga")
    expect(page.get_by_text(re.compile("The input is no JSON"))).to_be_visible()


@pytest.mark.lab("blocks")
def test_a_task_is_created_and_its_notification_appears(page: Page, lab: Running) -> None:
    visit(page, "/labs/blocks")
    page.get_by_label("Title", exact=True).fill("Look at <i>this</i>")
    press(page, "Create")
    expect(page.get_by_role("region", name="Tasks").get_by_text("Look at <i>this</i>")).to_be_visible()
    assert get(lab, "task-api", "/tasks")["tasks"][0]["title"] == "Look at <i>this</i>"
    notes = page.get_by_role("region", name="Notifications")
    expect(notes.get_by_text("Task created: Look at <i>this</i>")).to_be_visible()
