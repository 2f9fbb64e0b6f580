"""Each pattern: its normal end, and its fault."""

import pytest
from fastapi.testclient import TestClient
from google.protobuf.wrappers_pb2 import StringValue

from kit.fakes.service import HOST
from kit.fakes.waiting import eventually


@pytest.mark.parametrize(
    ("pattern", "fields", "result", "deeds"),
    [
        (
            "chaining",
            {"city": "Faro", "leaves": 7},
            {"arrival": 10, "hotel": "Hotel Faro, from 10:00", "car": "a car at Hotel Faro"},
            ["flight", "hotel", "car"],
        ),
        ("saga", {}, {"outcome": "booked"}, ["flight", "hotel", "car"]),
        ("retries", {"fail": {}}, {"outcome": "quoted", "price": 240}, ["quote"]),
        (
            "children",
            {"stops": ["Porto", "Faro"]},
            {"visited": ["Porto", "Faro"], "skipped": []},
            ["travel-1", "play-1", "travel-2", "play-2"],
        ),
        ("multi_app", {"days": 2}, {"outcome": "rented", "quoted": 98, "booking": "car-Lisbon"}, ["contract"]),
    ],
)
def test_a_run_ends(start, end_of, pattern, fields, result, deeds):
    shown = end_of(start(pattern, **fields))
    assert (shown["status"], shown["result"], shown["deeds"]) == ("completed", result, deeds)
    assert set(shown["attempts"].values()) == {1}


@pytest.mark.parametrize(
    ("pattern", "fields", "status", "attempts", "deeds"),
    [
        ("chaining", {"fail": {"hotel": 2}}, "completed", {"hotel": 3}, ["flight", "hotel", "car"]),
        # Nothing compensates the flight: that is the difference to a saga.
        ("chaining", {"fail": {"hotel": 9}}, "failed", {"hotel": 4}, ["flight"]),
        ("fan_out", {"shops": 2, "fail": {"shop-2": 9}}, "failed", {"shop-2": 4}, ["shop-1"]),
        ("retries", {}, "completed", {"quote": 3}, ["quote"]),
        ("retries", {"fail": {"quote": 9}}, "completed", {"quote": 4}, []),
        ("retries", {"fail": {}, "is_refused": True}, "completed", {"quote": 1}, []),
        (
            "children",
            {"stops": ["A", "B"], "fail": {"play-1": 9}},
            "completed",
            {"play-1": 4},
            ["travel-1", "travel-2", "play-2"],
        ),
        (
            "saga",
            {"fail": {"car": 9, "cancel_hotel": 2}},
            "completed",
            {"car": 4, "cancel_hotel": 3},
            ["flight", "hotel", "cancel_car", "cancel_hotel", "cancel_flight"],
        ),
    ],
)
def test_a_fault_of(start, end_of, pattern, fields, status, attempts, deeds):
    shown = end_of(start(pattern, **fields))
    assert shown["status"] == status
    assert shown["attempts"] | attempts == shown["attempts"]
    assert shown["deeds"] == deeds


def test_a_booking_that_was_cancelled_is_not_made_by_a_late_activity(start, end_of, show, engine):
    run = start("saga", attempts=1, fail={"car": 1})
    before = end_of(run)["deeds"]
    step = {"run": run, "name": "car", "seconds": 0, "fails": 0, "unless": "cancel_car"}
    engine.repeat("book", step, run)
    eventually(lambda: show(run)["attempts"]["car"] == 2 and engine.is_idle())
    assert show(run)["deeds"] == before


def test_at_most_k_shops_are_read_at_once(start, end_of, engine):
    shown = end_of(run := start("fan_out", shops=7, at_once=2))
    assert shown["result"] == {"shops": 7, "total": 2800}
    at_once, most = 0, 0
    for event in engine.instances[run].history:
        at_once += event.HasField("taskScheduled") - event.HasField("taskCompleted")
        most = max(most, at_once)
    assert most == 2


def test_a_parcel_is_watched_with_an_empty_history_for_each_look(start, show, waiting, end_of, engine):
    run = start("monitor", delivered_after=3, every_seconds=3600)
    waiting(run, "posted")
    first = len(engine.instances[run].history)
    engine.pass_time(3600)
    waiting(run, "in Lyon")
    assert len(engine.instances[run].history) <= first
    assert show(run)["status"] == "running"
    engine.pass_time(3600)
    assert end_of(run)["result"] == {"place": "delivered", "looks": 3}


def test_a_parcel_is_lost_after_the_last_look(start, end_of):
    assert end_of(start("monitor", delivered_after=9, most_looks=1))["result"] == {"place": "lost", "looks": 1}


@pytest.mark.parametrize(
    ("approved", "outcome", "deed"), [(True, "paid", "pay"), (False, "refused", "refuse")], ids=["yes", "no"]
)
def test_an_expense_waits_for_a_decision(client, start, waiting, end_of, approved, outcome, deed):
    waiting(run := start("approval"), "waits for a decision")
    body = {"approved": approved, "by": "Ada"}
    assert client.post(f"/patterns/{run}/events/decision", json=body).status_code == 202
    shown = end_of(run)
    assert (shown["result"], shown["deeds"]) == ({"outcome": outcome, "by": "Ada"}, ["ask", deed])


def test_an_expense_expires(start, waiting, end_of, engine):
    waiting(run := start("approval", limit_seconds=60), "waits for a decision")
    # Past the service, an event may have any data.
    engine.deliver(run, eventRaised={"name": "decision", "input": StringValue(value='"yes"')})
    eventually(lambda: sum(event.HasField("timerCreated") for event in engine.instances[run].history) == 2)
    engine.pass_time(61)
    shown = end_of(run)
    assert (shown["result"], shown["deeds"]) == ({"outcome": "expired"}, ["ask", "expire"])


def test_a_rental_gives_up_on_an_app_that_is_missing(start, end_of, show, engine):
    run = start("multi_app", app_id="nobody", limit_seconds=30)
    eventually(lambda: f"{run}:car" in engine.instances and engine.is_idle())
    assert show(run)["status"] == "running"
    engine.pass_time(31)
    shown = end_of(run)
    assert (shown["result"], shown["deeds"]) == ({"outcome": "nobody did not answer in time"}, ["give_up"])
    assert engine.instances[f"{run}:car"].ended


def test_the_record_of_a_run_outlives_its_longest_wait(start, sidecar):
    longest = 30 * 24 * 3600
    run = start("approval", limit_seconds=longest)
    assert sidecar.ttls()[f"run:{run}"] > longest


def test_a_letter_in_flight_keeps_its_version(serve, make_app, defaults):
    body = {"instance_id": "old", "seconds": 0}
    with TestClient(make_app(latest_letter="v1", **defaults), HOST) as old:
        assert old.post("/patterns/versioning", json=body).status_code == 202
        eventually(lambda: old.get("/patterns/old").json()["note"] == "v1 waits for a signature")
    new = serve(latest_letter="v2")
    assert new.post("/patterns/versioning", json=body | {"instance_id": "new"}).status_code == 202
    for run, version, deeds in (("old", "v1", ["write", "send"]), ("new", "v2", ["write", "proofread", "send"])):
        assert new.post(f"/patterns/{run}/events/signature", json={"by": "Ada"}).status_code == 202
        shown = eventually(lambda run=run: (one := new.get(f"/patterns/{run}").json())["result"] and one)
        assert (shown["result"], shown["deeds"]) == ({"version": version}, deeds)
