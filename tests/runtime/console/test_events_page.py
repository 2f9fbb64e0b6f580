"""The page about events: topics, lag and dead letters, and the effect of its buttons at the services."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.chat.conftest import CHAT, MEMORY, Chat, fresh
from tests.runtime.conftest import Running
from tests.runtime.console.conftest import visit
from tests.runtime.console.tables import cell, row
from tests.runtime.jobs.conftest import APP

# After subscriptions were restarted, the first event of each topic waits for the broker's `processingTimeout`.
EVENT_WITHIN = 60


def publish(page: Page, component: str, topic: str, data: Any) -> None:
    """Publish with the form of the topic's page."""
    visit(page, f"/events/{component}/{topic}")
    page.get_by_label("Data (JSON)").fill(json.dumps(data))
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text(f"published to {topic}.")).to_be_visible()


def letter(page: Page, mark: str) -> Locator:
    """Return the entry of a dead letter with this text, once the page shows it."""
    page.goto("/events")
    found = page.get_by_role("listitem").filter(has_text=mark)
    expect(found).to_be_visible(timeout=EVENT_WITHIN * 1000)
    return found


def turn(session: str, text: str) -> dict[str, str]:
    """Return the data of a conversation's event."""
    return {
        "event_type": "ConversationUpdated",
        "user_id": f"user-{session}",  # a session has one user
        "session_id": session,
        "message_id": uuid4().hex,
        "user_message": text,
        "assistant_reply": "Hello.",
        "timestamp": datetime.now(UTC).isoformat(),
    }


@pytest.mark.lab("jobs")
def test_a_dead_letter_is_mended_and_published_again(page: Page, lab: Running) -> None:
    name = fresh("mended")
    publish(page, "pubsub", "schedule-job", {"data": name, "schedule": "@every 1h"})
    event_id = _dead_letter(lab, name)["event_id"]
    entry = letter(page, event_id)
    expect(entry).to_contain_text("job_name: Field required")
    expect(entry).to_contain_text("topic schedule-job")
    assert name not in page.content()
    entry.get_by_role("button", name="Show event").click()
    expect(page.get_by_role("dialog").get_by_text(name)).to_be_visible()
    page.keyboard.press("Escape")
    entry.get_by_role("button", name="Publish again").click()
    event = json.loads(page.get_by_label("CloudEvent").input_value())
    assert event["id"] == event_id
    page.get_by_label("CloudEvent").fill(json.dumps(event | {"data": {**event["data"], "job_name": name}}))
    page.get_by_role("dialog").get_by_role("button", name="Publish", exact=True).click()
    job = f"/v1.0/jobs/{name}"
    assert wait_until(lambda: lab.http.get(lab.sidecar(APP, job)).status_code == 200, EVENT_WITHIN)
    page.goto("/events/pubsub/schedule-job")
    expect(page.get_by_role("button", name=f"Show event {event_id}")).to_have_count(2)
    lab.http.delete(lab.sidecar(APP, job)).raise_for_status()


def _dead_letter(lab: Running, text: str) -> dict[str, Any]:
    def found() -> list[dict[str, Any]]:
        letters = lab.http.get(lab.url(APP, "/dead-letters")).json()["dead_letters"]
        return [one for one in letters if text in str(one)]

    assert wait_until(lambda: found() != [], EVENT_WITHIN)
    return found()[0]


CONVERSATIONS = ("conversations", MEMORY)  # a topic and its subscriber


def nothing_is_in_flight(page: Page) -> None:
    """Wait until the page shows that memory has processed every event."""
    for column in ("Lag", "Pending"):
        expect(cell(page, "Topics", column, *CONVERSATIONS)).to_have_text("0", timeout=EVENT_WITHIN * 1000)


@pytest.mark.lab("chat")
def test_a_replayed_letter_is_processed_by_its_app(page: Page, lab: Running) -> None:
    chat, session = Chat(lab.stack, lab.apps, lab.http), fresh("session")
    visit(page, "/events")
    nothing_is_in_flight(page)  # which could use up the fault
    # To Dapr a 404 is final.
    lab.http.put(lab.url(MEMORY, "/faults"), json={"fail_next": 1, "status": 404}).raise_for_status()
    publish(page, "pubsub", "conversations", turn(session, "Remember the milk"))
    letters = "/dead-letters"
    assert wait_until(lambda: session in lab.http.get(lab.url(MEMORY, letters)).text, EVENT_WITHIN), (
        f"{lab.http.get(lab.url(MEMORY, '/faults')).text} {chat.history(session)}"
    )
    (kept,) = [one for one in lab.http.get(lab.url(MEMORY, letters)).json()["dead_letters"] if session in str(one)]
    entry = letter(page, kept["event_id"])
    expect(entry).to_contain_text(kept["reason"])
    assert "milk" not in page.content()
    entry.get_by_role("button", name="Replay").click()
    expect(page.get_by_text(f"{MEMORY} processed the event {kept['event_id']}.")).to_be_visible()
    expect(entry).to_have_count(0)
    conversation = lab.http.get(chat.url(MEMORY, f"/conversations/{session}"))
    assert "Remember the milk" in conversation.text
    assert kept["event_id"] not in lab.http.get(lab.url(MEMORY, letters)).text


@pytest.mark.lab("chat")
def test_events_wait_on_the_page_while_the_sidecar_of_their_subscriber_is_down(page: Page, lab: Running) -> None:
    session = fresh("session")
    page.goto("/events")
    expect(row(page, "Topics", *CONVERSATIONS)).to_contain_text(CHAT)
    expect(cell(page, "Topics", "Lag", *CONVERSATIONS)).to_have_text("0")
    # Without its app, a sidecar reads on for some seconds, and turns those events into dead letters.
    control.kill(lab.stack, MEMORY, sidecar=True)
    url = lab.sidecar(CHAT, "/v1.0/publish/pubsub/conversations")
    for text in ("one", "two", "three"):
        lab.http.post(url, json=turn(session, text)).raise_for_status()

    expect(cell(page, "Topics", "Lag", *CONVERSATIONS)).to_have_text("3")
    expect(page.get_by_text(re.compile(f"sidecars do not answer.*{MEMORY}"))).to_be_visible()
    control.restart(lab.stack, MEMORY)
    nothing_is_in_flight(page)
    kept = lab.url(MEMORY, f"/conversations/{session}")
    assert wait_until(lambda: all(text in lab.http.get(kept).text for text in ("one", "two", "three")), 10), (
        lab.http.get(kept).text
    )
