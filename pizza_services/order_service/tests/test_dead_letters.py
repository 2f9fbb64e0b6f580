"""Events that could not be used are kept, listed, and entered after all on request."""

import json

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


def test_an_event_is_kept_once_under_any_id_and_the_last_is_first(client):
    dead = [{**event(1), "type": "OrderExploded"}, {"no": "id"}, {"no": "id either"}, {"id": "a||b"}, {"id": "a/b"}]
    bury(client, *dead, {"no": "id"}, dead[0], {"id": "other", "odd": "\ud800"})
    assert len(set(letters(client))) == len(letters(client)) == 6
    assert letters(client)[-1] == "pizza-order-123-a1-1"
    assert "OrderExploded" in client.get("/dead-letters").json()["dead_letters"][-1]["event"]
    assert [replay(client, letter_id)[0] for letter_id in letters(client)] == [422] * 6


def test_dead_letters_are_listed_page_by_page_with_a_bounded_part_of_each_and_expire(client, sidecar):
    bury(client, *({"id": f"n{number}", "x": "y" * 20_000} for number in range(5)))
    first = client.get("/dead-letters", params={"limit": 3}).json()
    second = client.get("/dead-letters", params={"limit": 3, "before": first["next"]}).json()
    ids = [[letter["id"] for letter in page["dead_letters"]] for page in (first, second)]
    assert (ids, second["next"]) == ([["n4", "n3", "n2"], ["n1", "n0"]], None)
    assert {len(letter["event"]) for letter in first["dead_letters"]} == {16_000}
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
