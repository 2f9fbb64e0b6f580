"""Events change an order once each, in the order of their sequence, however they arrive."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from story import AT, KNOWN, ORDER, STORY, deliver, event, statuses


def test_an_order_follows_its_events(client):
    assert deliver(client, event(1), event(2)) == ["SUCCESS"] * 2
    assert client.get("/orders/123").json() == {
        "order_id": "123",
        "status": "cooking",
        "step": "a_step",
        "attempt": 1,
        "run": "a1",
        "ended_run": None,
        "final": False,
        "order": KNOWN,
        "timeline": [
            {"status": "confirmed", "at": AT.format(1), "attempt": 1, "step": "a_step", "note": None},
            {"status": "cooking", "at": AT.format(2), "attempt": 1, "step": "a_step", "note": None},
        ],
    }


def test_a_duplicate_changes_nothing(client, sidecar):
    deliver(client, event(1), event(2))
    before = dict(sidecar.values)
    assert deliver(client, event(2), event(1), event(2)) == ["SUCCESS"] * 3
    assert sidecar.values == before


@pytest.mark.parametrize("seed", range(5))
def test_events_out_of_order_and_repeated_make_the_same_timeline(client, seed):
    events = [event(number) for number in range(1, 8)] * 2
    random.Random(seed).shuffle(events)
    deliver(client, *events)
    assert statuses(client) == STORY
    assert client.get("/orders/123").json()["order"] == KNOWN
    assert client.get("/orders/123").json()["final"] is True


def test_all_events_at_once_and_twice_lose_none(client):
    events = [event(number) for number in range(1, 8)] * 2
    with ThreadPoolExecutor(14) as pool:
        assert list(pool.map(lambda one: deliver(client, one), events)) == [["SUCCESS"]] * 14
    assert statuses(client) == STORY
    assert len(client_list(client)) == 1


def client_list(client):
    return client.get("/orders").json()["orders"]


def test_the_customer_of_an_event_is_not_stored_and_that_of_the_stored_order_is_kept(client, sidecar):
    deliver(client, event(1, order=ORDER))
    assert "Ada" not in sidecar.everything()
    assert client.get("/orders/123").json()["order"] == KNOWN
    assert client.post("/orders", json=ORDER).status_code == 200
    deliver(client, event(2, order=KNOWN))
    assert client.get("/orders/123").json()["order"] == ORDER


def test_a_forced_cancellation_is_last_even_if_it_overtakes_other_events(client):
    deliver(client, event(1), event(1001, "cancelled", final=True), event(2))
    assert statuses(client) == ["confirmed", "cooking", "cancelled"]
    found = client.get("/orders/123").json()
    assert (found["status"], found["final"]) == ("cancelled", True)


def test_a_remake_has_its_attempt_and_notes_are_kept(client):
    deliver(client, event(1), event(2, "rejected", note="burnt"), event(3, "cooking", attempt=2))
    timeline = client.get("/orders/123").json()["timeline"]
    assert [(entry["attempt"], entry["note"]) for entry in timeline] == [(1, None), (1, "burnt"), (2, None)]


def test_late_events_of_a_deleted_run_do_not_bring_it_back(client, sidecar):
    deliver(client, event(1), event(7))
    assert client.delete("/orders/123").status_code == 204
    before = dict(sidecar.values)
    assert deliver(client, event(2), event(7), event(1)) == ["SUCCESS"] * 3
    assert sidecar.values == before
    assert client.get("/orders/123").status_code == 404
    assert client_list(client) == []


def test_a_new_run_after_the_deletion_is_a_new_order(client):
    deliver(client, event(1), event(7))
    client.delete("/orders/123")
    deliver(client, event(2, run="b2"), event(3), event(1, run="b2"))
    assert statuses(client) == ["confirmed", "cooking"]
    assert client.get("/orders/123").json()["run"] == "b2"
    assert [order["order_id"] for order in client_list(client)] == ["123"]


def test_a_run_is_followed_by_another_only_when_it_has_ended(client):
    deliver(client, event(1))
    assert deliver(client, event(1, run="b2")) == ["DROP"]
    assert client.get("/orders/123").json()["run"] == "a1"
    assert deliver(client, event(7), event(1, run="b2"), event(2)) == ["SUCCESS"] * 3
    assert statuses(client) == ["confirmed"]


BAD_DATA = {
    "order_id": ["a||b", "x" * 65, None],
    "run": ["", "a-b"],
    "sequence": [0, "1", True],
    "status": ["burnt"],
    "attempt": [0],
    "at": ["yesterday"],
    "step": ["x" * 51],
    "note": ["x" * 501],
    "order": [{}],
}
BAD = [
    *({"type": "OrderExploded"}, {"id": ""}, {"id": None}, {"data": None}, {"data": "no"}),
    *({"data": {**event(1)["data"], name: bad}} for name, values in BAD_DATA.items() for bad in values),
]


@pytest.mark.parametrize("bad", BAD)
def test_an_event_that_can_never_be_used_is_dropped_and_nothing_is_stored(client, sidecar, bad, caplog):
    assert deliver(client, {**event(1, order=ORDER), **bad}) == ["DROP"]
    assert sidecar.calls == []
    assert "Ada" not in caplog.text
    assert "burnt" not in caplog.text


@pytest.mark.parametrize("headers", [{}, {"dapr-api-token": "wrong"}])
def test_with_an_app_token_events_come_from_the_sidecar_only_and_users_need_none(serve, headers):
    guarded = serve(app_api_token="s3cret")
    for route in ("/events/orders", "/events/orders-dead"):
        assert guarded.post(route, json=event(1), headers=headers).status_code == 401
    assert guarded.get("/orders/123").status_code == 404
    answer = guarded.post("/events/orders", json=event(1), headers={"dapr-api-token": "s3cret"})
    assert answer.json() == {"status": "SUCCESS"}
