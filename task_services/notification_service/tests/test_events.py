"""Events of each kind of subscription: one notification each, and an answer by which Dapr retries or drops."""

import pytest
from conftest import ROUTES, deliver, event_of, letters, listed

GOOD, BAD = {"message": "Hi"}, {"user_id": "ada"}


def bulk(client, *data, start=0):
    entries = [
        {"entryId": str(number), "event": event_of(one, f"e-{number}", "announcements")}
        for number, one in enumerate(data, start)
    ]
    answer = client.post("/events/announcements", json={"topic": "announcements", "entries": entries})
    assert answer.status_code == 200, answer.text
    return [(one["entryId"], one["status"]) for one in answer.json()["statuses"]]


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ("task-due", "Task due at 2026-01-02T03:04+00:00: Water the plants"),
        ("reminder", "Reminder: Water the plants"),
        ("snooze-over", "Reminder: Water the plants"),
    ],
)
def test_an_event_becomes_one_notification(client, route, message):
    for _ in range(3):
        assert deliver(client, route, ROUTES[route]).json() == {"status": "SUCCESS"}
    assert [one["message"] for one in listed(client)] == [message]


def test_two_replicas_with_one_event_at_once_store_one_notification(serve, sidecar):
    one, other = serve(), serve()

    def handled_there_first(method, _):
        if method == "SaveState":
            sidecar.before = lambda *_: None
            deliver(other, "reminder", ROUTES["reminder"])

    sidecar.before = handled_there_first
    assert deliver(one, "reminder", ROUTES["reminder"]).json() == {"status": "SUCCESS"}
    assert len(listed(one)) == 1


def test_an_event_without_an_id_is_known_by_its_content(client):
    for title in ("a", "a", "b"):
        deliver(client, "reminder", {"task_id": "7", "title": title}, None)
    assert [one["message"] for one in listed(client)] == ["Reminder: b", "Reminder: a"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("data", [None, "text", [], {}, {"task_id": "7"}, {"task_id": 7, "title": "x"}])
def test_an_event_that_never_can_become_a_notification_is_dropped(client, route, data):
    assert deliver(client, route, data).json() == {"status": "DROP"}
    assert listed(client) == []


def test_an_event_is_retried_while_the_store_is_down(client, sidecar):
    sidecar.is_down = True
    assert deliver(client, "reminder", ROUTES["reminder"]).json() == {"status": "RETRY"}
    assert bulk(client, GOOD) == [("0", "RETRY")]
    sidecar.is_down = False
    assert deliver(client, "reminder", ROUTES["reminder"]).json() == {"status": "SUCCESS"}
    assert len(listed(client)) == 1


def test_the_subscription_in_code_is_what_dapr_reads(serve):
    (found,) = serve(pubsub="p", dead_letter_topic="d").get("/dapr/subscribe").json()
    assert found == {
        "pubsubname": "p", "topic": "snoozes", "route": "/events/snooze-over", "metadata": {}, "deadLetterTopic": "d"
    }  # fmt: skip


def test_each_entry_of_a_bulk_has_its_own_answer(client):
    client.put("/faults", json={"fail_next": 1})
    assert bulk(client, GOOD, GOOD, BAD, GOOD) == [("0", "RETRY"), ("1", "SUCCESS"), ("2", "SUCCESS"), ("3", "SUCCESS")]
    assert len(listed(client)) == 2
    assert bulk(client, GOOD) == [("0", "SUCCESS")]
    assert len(listed(client)) == 3


def test_a_bad_entry_of_a_bulk_is_a_dead_letter_at_once(client):
    bulk(client, GOOD, BAD)
    (letter,) = letters(client)
    assert (letter["event_id"], letter["topic"], letter["reason"]) == (
        "e-1",
        "announcements",
        "message: Field required",
    )


def test_a_bad_entry_is_retried_while_its_dead_letter_cannot_be_kept(client, sidecar):
    sidecar.is_down = True
    entries = [{"entryId": "0", "event": event_of(BAD)}]
    assert client.post("/events/announcements", json={"entries": entries}).status_code == 503


def test_a_raw_payload_is_its_own_data(client):
    entries = [{"entryId": "0", "event": {"message": "raw"}}, {"entryId": "1", "event": "text"}]
    client.post("/events/announcements", json={"entries": entries})
    assert [one["message"] for one in listed(client)] == ["raw"]
    assert len(letters(client)) == 1
