"""Starts, events and messages that are refused, repeated or meet a dependency that is down."""

import grpc
import pytest
from conftest import SERVICE

from catalog import PATTERNS
from kit.fakes.contract import check_openapi
from kit.fakes.waiting import eventually


def test_openapi_json_is_what_the_service_serves():
    check_openapi(SERVICE)


def test_all_patterns_are_listed(client):
    listed = client.get("/patterns").json()["patterns"]
    assert [one["name"] for one in listed] == list(PATTERNS)
    assert all("fail" in one["input"]["properties"] for one in listed)


@pytest.mark.parametrize(
    ("pattern", "body", "field"),
    [
        ("saga", {"seconds": "long"}, "seconds"),
        ("saga", {"attempts": 0}, "attempts"),
        ("saga", {"instance_id": "a/b"}, "instance_id"),
        ("saga", {"instance_id": "nobody"}, "instance_id"),
        ("saga", {"fail": {"boat": 1}}, "fail.boat"),
        ("saga", {"fail": {"car": 0}}, "fail.car"),
        ("saga", {"city": "Lisbon"}, "city"),
        ("saga", [], "body"),
        ("fan_out", {"shops": 51}, "shops"),
        ("approval", {"amount": 0}, "amount"),
        ("multi_app", {"app_id": "pizza-order"}, "app_id"),
    ],
)
def test_bad_input_is_refused_by_name(client, engine, pattern, body, field):
    answer = client.post(f"/patterns/{pattern}", json=body)
    assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (422, [field])
    assert engine.scheduled == []


def test_the_unknown_is_not_found(client, start):
    assert client.post("/patterns/nothing", json={}).status_code == 404
    assert client.get("/patterns/nothing").status_code == 404
    run = start("saga")
    answer = client.post(f"/patterns/{run}/events/decision", json={"approved": True, "by": "Ada"})
    assert (answer.status_code, "none" in answer.json()["detail"]) == (404, True)


def test_an_id_starts_once_even_after_its_end(client, start, end_of, engine):
    end_of(start("saga", instance_id="one"))
    answer = client.post("/patterns/retries", json={"instance_id": "one"})
    assert (answer.status_code, answer.json()["code"]) == (409, "TAKEN")
    engine.purge("one")
    assert client.post("/patterns/saga", json={"instance_id": "one"}).status_code == 409
    assert client.get("/patterns/one").json()["status"] == "removed"


def test_a_start_that_died_after_its_claim_is_repeated(client, end_of, engine):
    engine.refuses_starts = True
    body = {"instance_id": "one", "seconds": 0}
    answer = client.post("/patterns/saga", json=body)
    assert (answer.status_code, answer.json()["dependency"]) == (503, "Dapr workflow engine")
    assert client.get("/patterns/one").json()["status"] == "not_started"
    assert client.post("/patterns/saga", json=body | {"attempts": 2}).status_code == 409
    assert client.post("/patterns/approval", json=body).status_code == 409
    engine.refuses_starts = False
    assert client.post("/patterns/saga", json=body).status_code == 202
    assert end_of("one")["deeds"] == ["flight", "hotel", "car"]


def test_a_store_that_is_down_is_named(client, sidecar):
    sidecar.refuse = lambda method, key: (grpc.StatusCode.UNAVAILABLE, "no redis")
    answer = client.post("/patterns/saga", json={})
    assert answer.status_code in (502, 503)
    assert answer.json()["dependency"]


def test_a_step_is_done_once_although_its_activity_runs_again(start, end_of, show, engine):
    run = start("saga")
    deeds = end_of(run)["deeds"]
    engine.repeat("book", {"run": run, "name": "car", "seconds": 0}, run)
    eventually(lambda: show(run)["attempts"]["car"] == 2 and engine.is_idle())
    assert show(run)["deeds"] == deeds


def test_an_event_for_a_run_that_ended_is_a_conflict(client, start, end_of, waiting):
    waiting(run := start("approval"), "waits for a decision")
    path, body = f"/patterns/{run}/events/decision", {"approved": True, "by": "Ada"}
    assert client.post(path, json={"approved": "yes"}).json()["errors"][0]["field"] == "approved"
    assert client.post(path, json=body).status_code == 202
    end_of(run)
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "ENDED")


def test_an_event_for_a_run_that_did_not_start_is_a_conflict(client, engine):
    engine.refuses_starts = True
    client.post("/patterns/approval", json={"instance_id": "one"})
    answer = client.post("/patterns/one/events/decision", json={"approved": True, "by": "Ada"})
    assert (answer.status_code, answer.json()["code"]) == (409, "NOT_RUNNING")


def test_a_message_decides(client, start, waiting, end_of):
    waiting(run := start("approval"), "waits for a decision")
    message = {"specversion": "1.0", "id": "1", "data": {"instance_id": run, "approved": False, "by": "Bob"}}
    assert client.post("/events/expenses", json=message).json() == {"status": "SUCCESS"}
    assert end_of(run)["result"] == {"outcome": "refused", "by": "Bob"}
    # Delivered again.
    assert client.post("/events/expenses", json=message).json() == {"status": "SUCCESS"}


@pytest.mark.parametrize(
    "data",
    [None, 7, {"approved": True}, {"instance_id": "x", "approved": True, "by": "Ada"}, {"instance_id": "saga-1"}],
)
def test_a_message_that_can_never_be_processed_is_dropped(client, start, data):
    start("saga", instance_id="saga-1")
    if data == {"instance_id": "saga-1"}:
        data |= {"approved": True, "by": "Ada"}
    message = {"id": "1", "data": data}
    assert client.post("/events/expenses", json=message).json() == {"status": "DROP"}
    assert client.post("/events/expenses-dead", json=message).json() == {"status": "SUCCESS"}
    (letter,) = client.get("/dead-letters").json()["dead_letters"]
    assert letter["event"] == message
    assert letter["reason"]


def test_the_service_is_ready_once_its_worker_is_connected(client, engine):
    eventually(lambda: engine.connected() == 1)
    assert client.get("/readyz").status_code == 200
