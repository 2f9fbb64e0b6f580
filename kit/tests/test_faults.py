"""Fault switches: which calls fail, how, and the counts that can be read afterwards."""

import time
from contextlib import nullcontext

import pytest

from kit.edge.attempts import Attempts
from kit.edge.faults import Faults, SimulatedError

OFF = {"fail_next": 0, "delay_ms": 0, "status": 500, "calls": 0}


def failure(number):
    return f"Simulated temporary error from greeter (attempt {number})"


def test_fail_next_fails_that_many_with_that_status(client):
    assert client.put("/faults", json={"fail_next": 2, "status": 429}).status_code == 200
    answers = [client.get("/greet/Ada") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[1].json()["detail"] == failure(2)
    assert answers[0].headers["content-type"] == "application/problem+json"


def test_put_replaces_the_faults_and_what_is_left_of_them_can_be_read(client):
    client.put("/faults", json={"fail_next": 3, "delay_ms": 1, "status": 503})
    client.get("/greet/Ada")
    assert client.get("/faults").json() == {"fail_next": 2, "delay_ms": 1, "status": 503, "calls": 1}
    assert client.put("/faults", json={"fail_next": 1}).json()["delay_ms"] == 0
    answer = client.get("/greet/Ada")
    assert (answer.status_code, answer.json()["detail"]) == (500, failure(1))


def test_delete_turns_faults_off_and_keeps_the_number_of_calls(client):
    client.put("/faults", json={"fail_next": 5})
    client.get("/greet/Ada")
    assert client.delete("/faults").status_code == 204
    assert client.get("/greet/Ada").status_code == 200
    assert client.get("/faults").json() == OFF | {"calls": 2}


def test_a_delay_holds_a_call_back(client):
    client.put("/faults", json={"delay_ms": 150})
    started = time.perf_counter()
    assert client.get("/greet/Ada").status_code == 200
    assert time.perf_counter() - started >= 0.15


BAD = {
    "fail_next": [-1, 1_000_001, "2", True, None],
    "delay_ms": [-1, 30_001, 0.5],
    "status": [200, 399, 600],
    "fail_nxt": [1],
}


@pytest.mark.parametrize(
    ("body", "field"),
    [*[({name: bad}, name) for name, values in BAD.items() for bad in values], ([], "body"), ("x", "body")],
)
def test_bad_faults_are_refused_by_field_and_change_nothing(client, body, field):
    answer = client.put("/faults", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert client.get("/faults").json() == OFF


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_the_switches_do_not_exist_unless_enabled(serve, method):
    answer = serve().request(method, "/faults", json={"fail_next": 1} if method == "PUT" else None)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("fails", [0, 1, 4])
async def test_that_number_of_calls_fails_before_each_that_succeeds(fails):
    faults = Faults("greeter", fails)
    for number in [*range(1, fails + 1), None] * 2:
        with pytest.raises(SimulatedError, match=rf"attempt {number}\)") if number else nullcontext():
            await faults.strike()


def test_attempts_forget_the_ids_that_arrived_longest_ago():
    attempts = Attempts(kept=2)
    assert [attempts.add(request_id) for request_id in ("a", "b", "a", "c")] == [1, 1, 2, 1]
    assert [attempts.of("a"), attempts.of("b"), attempts.of("c")] == [2, None, 1]


def test_attempts_keep_little_of_a_huge_id():
    attempts = Attempts()
    attempts.add("x" * 1_000_000)
    assert attempts.of("x" * 200) == 1
