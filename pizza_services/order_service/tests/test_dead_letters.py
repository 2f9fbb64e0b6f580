"""Events that could not be used are kept, listed, and entered after all on request."""

import json
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from story import KNOWN, PIZZA, deliver, event, statuses


def bury(client, *events):
    """Deliver events from the dead-letter topic, as Dapr does."""
    for each in events:
        content = json.dumps(each)
        answer = client.post("/events/orders-dead", content=content, headers={"content-type": "application/json"})
        assert answer.json() == {"status": "SUCCESS"}


def letters(client):
    """Return the ids of the dead letters, newest first."""
    return [letter["id"] for letter in client.get("/dead-letters").json()["dead_letters"]]


def replay(client, letter_id):
    """Return the answer to a replay: its status and its body."""
    answer = client.post(f"/dead-letters/{letter_id}/replay")
    return answer.status_code, answer.json()


def test_a_dead_letter_is_kept_once_and_the_last_comes_first(client):
    dead = [{**event(1), "type": "OrderExploded"}, {"id": "other", "odd": "\ud800"}, {"no": "id"}]
    bury(client, *dead, dead[0])
    assert letters(client)[1:] == [letters(client)[1], "pizza-order-123-a1-1"]
    assert "OrderExploded" in client.get("/dead-letters").json()["dead_letters"][2]["event"]


def test_two_bad_events_without_an_id_are_two_dead_letters(client):
    bury(client, {"no": "id"}, {"no": "id either"}, {"no": "id"}, {"id": "a||b"}, {"id": "a/b"})
    assert len(set(letters(client))) == 4
    assert [replay(client, letter_id)[0] for letter_id in letters(client)] == [422] * 4


def test_the_last_dead_letters_are_listed_with_a_bounded_part_of_each_and_expire(client, sidecar):
    for number in range(105):
        bury(client, {"id": f"n{number}", "x": "y" * 20_000})
    kept = client.get("/dead-letters").json()["dead_letters"]
    assert [kept[0]["id"], kept[-1]["id"], len(kept)] == ["n104", "n5", 100]
    assert max(len(letter["event"]) for letter in kept) == 16_000
    sidecar.expire()
    assert letters(client) == []


def test_an_order_whose_end_was_given_up_has_ended_after_the_replay(client):
    deliver(client, event(1), event(6))
    bury(client, {**event(7), "topic": "orders-dead", "pubsubname": "pizzapubsub"}, {"id": "another"})
    assert client.delete("/orders/123").status_code == 409
    assert replay(client, event(7)["id"]) == (202, {"id": event(7)["id"], "status": "processed"})
    assert statuses(client) == ["confirmed", "delivering", "delivered"]
    assert letters(client) == ["another"]
    assert client.delete("/orders/123").status_code == 204


def test_the_largest_event_that_there_can_be_is_kept_whole(client):
    order = {**PIZZA, "order_id": "x" * 64, "pizza_type": "\U0001f355" * 50}
    largest = event(1, order_id="x" * 64, run="r" * 32, step="s" * 50, note="\U0001f355" * 500, order=order)
    bury(client, {**largest, "id": "largest"})
    assert replay(client, "largest")[0] == 202
    assert client.get(f"/orders/{'x' * 64}").json()["order"] == {**KNOWN, **order}


def test_a_letter_that_is_replayed_twice_at_once_is_entered_once(replicas):
    bury(replicas[0], event(7))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda each: replay(each, event(7)["id"])[0], replicas))
    assert set(answers) <= {202, 404}
    assert statuses(replicas[0]) == ["delivered"]
    assert letters(replicas[0]) == []


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
    status, answer = replay(client, "unknown")
    assert (status, answer["detail"]) == (404, "letter_id: there is no such dead letter.")
    assert replay(client, "a%7C%7Cb")[0] == 404
    assert replay(client, "x" * 201)[0] == 422


@pytest.mark.parametrize(
    "failing", [("SaveState", "order:123"), ("DeleteState", f"dead-letters:at:{event(1)['id']}")], ids=str
)
def test_a_replay_while_the_store_does_not_save_is_503_and_it_stays(client, sidecar, failing):
    bury(client, event(1))
    lost = (grpc.StatusCode.INTERNAL, "lost")
    sidecar.refuse = lambda method, key: lost if (method, key) == failing else None
    assert replay(client, event(1)["id"])[0] == 503
    assert letters(client) == [event(1)["id"]]
    sidecar.refuse = lambda *_: None
    assert replay(client, event(1)["id"])[0] == 202
    assert statuses(client) == ["confirmed"]
