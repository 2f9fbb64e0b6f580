"""Faults on purpose: which calls fail, how, and that nothing was done for those."""

import time

import pytest
from story import ACTION, APP_ID, ORDER, STATUS, UNDOINGS, ledger


def test_fail_next_fails_that_many_with_that_status_and_does_nothing(client, sidecar):
    assert client.put("/faults", json={"fail_next": 2, "status": 503}).status_code == 200
    answers = [client.post(f"/{ACTION}", json=ORDER) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[1].json()["detail"] == f"Simulated temporary error from {APP_ID} (attempt 2)"
    assert sidecar.calls == []
    assert client.post(f"/{ACTION}", json=ORDER).status_code == 200
    assert ledger(client) == [(ACTION, "1", 1, STATUS, 1)]


def test_every_action_is_struck_and_nothing_else(client):
    client.put("/faults", json={"fail_next": 9})
    routes = [ACTION, *UNDOINGS]
    assert [client.post(f"/{route}", json=ORDER).status_code for route in routes] == [500] * len(routes)
    assert client.get("/ledger").status_code == 200
    assert client.get("/healthz").status_code == 200
    assert client.get("/faults").json() == {
        "fail_next": 9 - len(routes),
        "delay_ms": 0,
        "status": 500,
        "calls": len(routes),
    }


def test_put_replaces_and_delete_turns_off_what_was_on(client):
    client.put("/faults", json={"fail_next": 5, "delay_ms": 1})
    assert client.put("/faults", json={"fail_next": 1}).json()["delay_ms"] == 0
    assert client.delete("/faults").status_code == 204
    assert client.post(f"/{ACTION}", json=ORDER).status_code == 200


def test_delay_holds_a_call_back(client):
    client.put("/faults", json={"delay_ms": 150})
    started = time.perf_counter()
    assert client.post(f"/{ACTION}", json=ORDER).status_code == 200
    assert time.perf_counter() - started >= 0.15


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fail_next": -1}, "fail_next"),
        ({"fail_next": "2"}, "fail_next"),
        ({"delay_ms": 30_001}, "delay_ms"),
        ({"status": 200}, "status"),
        ({"fail_nxt": 1}, "fail_nxt"),
        ([], "body"),
    ],
)
def test_bad_faults_are_refused_by_field_and_change_nothing(client, body, field):
    answer = client.put("/faults", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert client.get("/faults").json() == {"fail_next": 0, "delay_ms": 0, "status": 500, "calls": 0}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_the_switches_are_not_there_unless_enabled(serve, method):
    answer = serve().request(method, "/faults", json={"fail_next": 1} if method == "PUT" else None)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
