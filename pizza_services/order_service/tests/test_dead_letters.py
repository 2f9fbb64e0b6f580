"""Events that could not be used are kept, listed, and used after all when somebody asks for it."""

import json
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from story import ORDER, event, statuses, tell


def bury(client, *events):
    """Delivers events from the dead-letter topic, as Dapr does."""
    for each in events:
        content = json.dumps(each)
        answer = client.post("/events/orders-dead", content=content, headers={"content-type": "application/json"})
        assert answer.json() == {"status": "SUCCESS"}


def letters(client):
    """The ids of the dead letters, the last one first."""
    return [letter["id"] for letter in client.get("/dead-letters").json()["dead_letters"]]


def replay(client, letter_id):
    """The answer to a replay: its status and its body."""
    answer = client.post(f"/dead-letters/{letter_id}/replay")
    return answer.status_code, answer.json()


def test_a_dead_letter_is_kept_once_and_the_last_comes_first(client):
    dead = [{**event(1), "type": "OrderExploded"}, {"id": "other", "odd": "\ud800"}, {"no": "id"}]
    bury(client, *dead, dead[0])
    assert letters(client) == ["None", "other", "pizza-order-123-a1-1"]
    assert "OrderExploded" in client.get("/dead-letters").json()["dead_letters"][2]["event"]


def test_only_the_last_dead_letters_are_kept_and_a_bounded_part_of_each(client):
    for number in range(105):
        bury(client, {"id": f"n{number}", "x": "y" * 20_000})
    kept = client.get("/dead-letters").json()["dead_letters"]
    assert [kept[0]["id"], kept[-1]["id"], len(kept)] == ["n104", "n5", 100]
    assert max(len(letter["event"]) for letter in kept) == 16_000


def test_an_order_whose_end_was_given_up_has_ended_after_the_replay(client):
    tell(client, event(1), event(6))
    bury(client, {**event(7), "topic": "orders-dead", "pubsubname": "pizzapubsub"}, {"id": "another"})
    assert client.delete("/orders/123").status_code == 409
    assert replay(client, event(7)["id"]) == (202, {"id": event(7)["id"], "status": "processed"})
    assert statuses(client) == ["confirmed", "delivering", "delivered"]
    assert letters(client) == ["another"]
    assert client.delete("/orders/123").status_code == 204


def test_the_largest_event_that_there_can_be_is_kept_whole(client):
    customer = {"name": "\U0001f355" * 100, "address": "\U0001f355" * 200, "phone": "+" * 30}
    order = {**ORDER, "order_id": "x" * 64, "pizza_type": "\U0001f355" * 50, "customer": customer}
    largest = event(1, order_id="x" * 64, run="r" * 32, step="s" * 50, note="\U0001f355" * 500, order=order)
    bury(client, {**largest, "id": "largest"})
    assert replay(client, "largest")[0] == 202
    assert client.get(f"/orders/{'x' * 64}").json()["order"] == order


def test_replayed_although_it_was_heard_after_all_it_changes_nothing(client):
    tell(client, event(1), event(7))
    bury(client, event(7))
    before = client.get("/orders/123").json()
    assert replay(client, event(7)["id"])[0] == 202
    assert client.get("/orders/123").json() == before


def test_a_letter_that_is_replayed_twice_at_once_is_entered_once(serve):
    replicas = [serve(), serve()]
    bury(replicas[0], event(7))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda each: replay(each, event(7)["id"])[0], replicas))
    assert set(answers) <= {202, 404}
    assert statuses(replicas[0]) == ["delivered"]
    assert letters(replicas[0]) == []


def test_a_replay_of_what_can_never_be_used_is_422_and_it_stays(client):
    bad = {**event(1), "id": "poison"}
    bad["data"]["status"] = "burnt"
    bury(client, bad, {"id": "huge", "x": "y" * 20_000})
    status, told = replay(client, "poison")
    assert (status, [error["field"] for error in told["errors"]]) == (422, ["data.status"])
    assert "Ada" not in json.dumps(told)
    status, told = replay(client, "huge")
    assert (status, [error["field"] for error in told["errors"]]) == (422, ["event"])
    assert letters(client) == ["huge", "poison"]


def test_a_replay_into_another_run_is_409_and_it_stays(client):
    tell(client, event(1))
    bury(client, event(7, run="b2"))
    status, told = replay(client, event(7, run="b2")["id"])
    assert (status, told["code"]) == (409, "RUN_UNDER_WAY")
    assert letters(client) == [event(7, run="b2")["id"]]
    tell(client, event(7))
    assert replay(client, event(7, run="b2")["id"])[0] == 202


def test_a_letter_that_nobody_has_is_404(client):
    status, told = replay(client, "nobody")
    assert (status, told["detail"]) == (404, "letter_id: there is no such dead letter.")
    assert replay(client, "x" * 201)[0] == 422


@pytest.mark.parametrize("failing", ["order:123", "dead-letters"])
def test_a_replay_while_the_store_does_not_save_is_503_and_it_stays(client, sidecar, failing):
    bury(client, event(1))
    lost = (grpc.StatusCode.INTERNAL, "lost")
    sidecar.refuse = lambda method, key: lost if (method, key) == ("SaveState", failing) else None
    assert replay(client, event(1)["id"])[0] == 503
    assert letters(client) == [event(1)["id"]]
    sidecar.refuse = lambda *_: None
    assert replay(client, event(1)["id"])[0] == 202
    assert statuses(client) == ["confirmed"]
