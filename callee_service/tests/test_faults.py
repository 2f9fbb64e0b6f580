"""Faults on purpose: which greetings fail, how, and what can be read of them afterwards."""

import time

import pytest


def failure(number):
    return f"Simulated temporary error from callee-service (attempt {number})"


def test_simulate_failure_fails_twice_then_succeeds_and_starts_over(serve):
    client = serve(simulate_failure=True)
    answers = [client.get("/greet/Ada") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [500, 500, 200, 500, 500, 200]
    assert [answer.json().get("detail") for answer in answers] == [failure(1), failure(2), None] * 2
    assert answers[0].headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("fails", [0, 1, 4])
def test_max_fails_before_success_says_how_often(serve, fails):
    client = serve(simulate_failure=True, max_fails_before_success=fails)
    statuses = [client.get("/greet/Ada").status_code for _ in range(2 * fails + 2)]
    assert statuses == [*[500] * fails, 200] * 2


def test_without_simulate_failure_nothing_fails(serve):
    client = serve(max_fails_before_success=5)
    assert client.get("/greet/Ada").status_code == 200


def test_fail_next_fails_that_many_with_that_status(client):
    assert client.put("/faults", json={"fail_next": 2, "status": 429}).status_code == 200
    answers = [client.get("/greet/Ada", headers={"x-request-id": "one"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert [answer.headers["x-attempt"] for answer in answers] == ["1", "2", "3"]
    assert answers[1].json()["detail"] == failure(2)


def test_what_is_left_of_the_faults_and_the_calls_seen_can_be_read(client):
    state = client.put("/faults", json={"fail_next": 3, "delay_ms": 1, "status": 503}).json()
    assert state == {"fail_next": 3, "delay_ms": 1, "status": 503, "calls": 0}
    client.get("/greet/Ada")
    assert client.get("/faults").json() == {"fail_next": 2, "delay_ms": 1, "status": 503, "calls": 1}


def test_put_replaces_what_was_on_and_counts_failures_anew(client):
    client.put("/faults", json={"fail_next": 5, "delay_ms": 1, "status": 503})
    client.get("/greet/Ada")
    assert client.put("/faults", json={"fail_next": 1}).json()["delay_ms"] == 0
    answer = client.get("/greet/Ada")
    assert (answer.status_code, answer.json()["detail"]) == (500, failure(1))


def test_delete_turns_faults_off_and_keeps_the_number_of_calls(client):
    client.put("/faults", json={"fail_next": 5})
    client.get("/greet/Ada")
    assert client.delete("/faults").status_code == 204
    assert client.get("/greet/Ada").status_code == 200
    assert client.get("/faults").json() == {"fail_next": 0, "delay_ms": 0, "status": 500, "calls": 2}


def test_delay_holds_a_greeting_back(client):
    client.put("/faults", json={"delay_ms": 150})
    started = time.perf_counter()
    assert client.get("/greet/Ada").status_code == 200
    assert time.perf_counter() - started >= 0.15


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fail_next": -1}, "fail_next"),
        ({"fail_next": 1_000_001}, "fail_next"),
        ({"fail_next": "2"}, "fail_next"),
        ({"fail_next": True}, "fail_next"),
        ({"fail_next": None}, "fail_next"),
        ({"delay_ms": -1}, "delay_ms"),
        ({"delay_ms": 30_001}, "delay_ms"),
        ({"delay_ms": 0.5}, "delay_ms"),
        ({"status": 200}, "status"),
        ({"status": 399}, "status"),
        ({"status": 600}, "status"),
        ({"fail_nxt": 1}, "fail_nxt"),
        ([], "body"),
        ("x", "body"),
    ],
)
def test_bad_faults_are_refused_by_field_and_change_nothing(client, body, field):
    answer = client.put("/faults", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert client.get("/faults").json() == {"fail_next": 0, "delay_ms": 0, "status": 500, "calls": 0}


def test_attempts_can_be_read_when_all_of_them_failed(client):
    client.put("/faults", json={"fail_next": 2})
    for _ in range(2):
        client.get("/greet/Ada", headers={"x-request-id": "one"})
    assert client.get("/faults/attempts/one").json() == {"request_id": "one", "attempts": 2}


def test_attempts_of_an_unknown_request_are_404(client):
    answer = client.get("/faults/attempts/unknown")
    assert answer.status_code == 404
    assert "request_id" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/faults"),
        ("PUT", "/faults"),
        ("DELETE", "/faults"),
        ("POST", "/faults"),
        ("GET", "/faults/attempts/one"),
    ],
)
def test_the_switches_are_not_there_unless_enabled(serve, method, path):
    answer = serve().request(method, path, json={"fail_next": 1} if method == "PUT" else None)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
