"""Events that could not be used are kept, listed, and entered after all on request."""

import base64
import json

import pytest
from story import KNOWN, PIZZA, deliver, event, statuses


def bury(client, *events):
    """Deliver events from the dead-letter topic, as Dapr does."""
    for each in events:
        content = json.dumps(each)
        answer = client.post("/events/orders-dead", content=content, headers={"content-type": "application/json"})
        assert answer.json() == {"status": "SUCCESS"}


def letters(client, member="event_id"):
    """Return a member of each dead letter, newest first."""
    return [letter[member] for letter in client.get("/dead-letters").json()["dead_letters"]]


def letter_of(client, event_id):
    """Return the id of the letter of an event."""
    return dict(zip(letters(client), letters(client, "id"), strict=True))[event_id]


def replay(client, event_id):
    """Replay the letter of an event. Return the status and the body of the answer."""
    answer = client.post(f"/dead-letters/{letter_of(client, event_id)}/replay")
    return answer.status_code, answer.json()


def test_an_event_is_kept_once_under_any_id_and_the_last_is_first(client):
    dead = [{**event(1), "type": "OrderExploded"}, {"no": "id"}, {"no": "id either"}, {"id": "a||b"}, {"id": "a/b"}]
    bury(client, *dead, {"no": "id"}, dead[0], {"id": "other", "odd": "\ud800"})
    assert letters(client) == ["", "a/b", "a||b", "", "", "pizza-order-123-a1-1"]
    assert "OrderExploded" in client.get("/dead-letters").json()["dead_letters"][-1]["event"]
    assert letters(client, "reason")[-1] == "type: Input should be 'OrderStatusChanged'"
    ids = letters(client, "id")
    assert len(set(ids)) == 6
    assert [client.post(f"/dead-letters/{each}/replay").status_code for each in ids] == [422] * 6


@pytest.mark.parametrize("unnamed", [{}, {"id": ""}, {"id": "same"}])
def test_events_without_an_id_of_their_own_are_each_kept_and_can_each_be_replayed(client, unnamed):
    bad = [{**event(number), "id": None, **unnamed} for number in (1, 2)]
    bury(client, *({name: value for name, value in each.items() if value is not None} for each in bad))
    ids = letters(client, "id")
    answers = [client.post(f"/dead-letters/{each}/replay").status_code for each in ids]
    assert (len(set(ids)), answers) == (2, [202 if unnamed.get("id") else 422] * 2)


@pytest.mark.parametrize("payload", [b"not json", b"[1,2,3]", b"17", b"", b"null", b'{"id": "n", "type": "x"}'])
def test_a_payload_that_dapr_wraps_is_kept_as_it_was(client, payload):
    wrapped = {
        "id": "w",
        "source": "Dapr",
        "type": "com.dapr.event.sent",
        "data_base64": base64.b64encode(payload).decode(),
    }
    bury(client, wrapped, {**wrapped, "id": "delivered again"})
    (kept,) = letters(client, "event")
    try:
        found = json.loads(payload)
    except ValueError:
        found = payload.decode()
    assert json.loads(kept) == (found if isinstance(found, dict) else {"data": found})


def test_dead_letters_are_listed_page_by_page_with_a_bounded_part_of_each_and_expire(client, sidecar):
    bury(client, *({"id": f"n{number}", "x": "y" * 20_000} for number in range(5)))
    first = client.get("/dead-letters", params={"limit": 3}).json()
    second = client.get("/dead-letters", params={"limit": 3, "before": first["next"]}).json()
    ids = [[letter["event_id"] for letter in page["dead_letters"]] for page in (first, second)]
    assert (ids, second["next"]) == ([["n4", "n3", "n2"], ["n1", "n0"]], None)
    assert {len(letter["event"]) for letter in first["dead_letters"]} == {16_000}
    sidecar.expire()
    assert letters(client) == []


def test_an_order_whose_end_was_given_up_has_ended_after_the_replay(client):
    deliver(client, event(1), event(6))
    bury(client, {**event(7), "topic": "orders-dead", "pubsubname": "pizzapubsub"}, {"id": "another"})
    assert client.delete("/orders/123").status_code == 409
    letter_id = letter_of(client, event(7)["id"])
    assert replay(client, event(7)["id"]) == (202, {"id": letter_id, "status": "processed"})
    assert statuses(client) == ["confirmed", "delivering", "delivered"]
    assert letters(client) == ["another"]
    assert client.delete("/orders/123").status_code == 204


def test_the_largest_event_that_there_can_be_is_kept_whole(client):
    order = {**PIZZA, "order_id": "x" * 64, "pizza_type": "\U0001f355" * 50}
    largest = event(1, order_id="x" * 64, run="r" * 32, step="s" * 50, note="\U0001f355" * 500, order=order)
    bury(client, {**largest, "id": "largest"})
    assert replay(client, "largest")[0] == 202
    assert client.get(f"/orders/{'x' * 64}").json()["order"] == {**KNOWN, **order}


def test_a_replay_of_an_event_that_can_never_be_used_is_422_and_it_stays(client):
    bad = {**event(1), "id": "poison"}
    bad["data"] |= {"status": "burnt", "note": "secret"}
    bury(client, bad, {"id": "huge", "x": "y" * 20_000})
    status, answer = replay(client, "poison")
    assert (status, [error["field"] for error in answer["errors"]]) == (422, ["data.status"])
    assert "secret" not in json.dumps(answer)
    status, answer = replay(client, "huge")
    assert (status, [error["field"] for error in answer["errors"]]) == (422, ["type", "data"])
    assert letters(client) == ["huge", "poison"]


def test_a_replay_into_another_run_is_409_and_it_stays(client):
    deliver(client, event(1))
    bury(client, event(7, run="b2"))
    status, answer = replay(client, event(7, run="b2")["id"])
    assert (status, answer["code"]) == (409, "RUN_UNDER_WAY")
    assert letters(client) == [event(7, run="b2")["id"]]
    deliver(client, event(7))
    assert replay(client, event(7, run="b2")["id"])[0] == 202


def test_an_unknown_letter_is_404(client):
    answers = [client.post(f"/dead-letters/{each}/replay") for each in ("0" * 32, "a%7C%7Cb")]
    assert [answer.status_code for answer in answers] == [404, 422]
    assert answers[0].json()["detail"] == "letter_id: there is no such dead letter."


@pytest.mark.parametrize("path", ["/events/orders", "/events/orders-dead"])
def test_the_largest_payload_that_dapr_delivers_becomes_a_dead_letter_without_its_body(client, path):
    # 4 MiB of text in quotes, as Dapr writes it into its own event, and that in base64.
    largest = json.dumps(
        {"id": "big", "data_base64": "x" * 11_200_000} if path.endswith("dead") else {"data": '"' * 4_194_304}
    )
    status = "SUCCESS" if path.endswith("dead") else "DROP"
    assert client.post(path, content=largest, headers={"content-type": "application/json"}).json() == {"status": status}
    if status == "SUCCESS":
        assert len(client.get("/dead-letters").json()["dead_letters"][0]["event"]) < 5_000
