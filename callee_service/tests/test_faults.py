"""Greetings fail on purpose, and the attempts can be read afterwards."""

import json

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


def test_attempts_can_be_read_when_all_of_them_failed(client):
    client.put("/faults", json={"fail_next": 2})
    for _ in range(2):
        client.get("/greet/Ada", headers={"x-request-id": "one"})
    assert client.get("/faults/attempts/one").json() == {"request_id": "one", "attempts": 2}


def test_attempts_of_an_unknown_request_are_404(client):
    answer = client.get("/faults/attempts/unknown")
    assert answer.status_code == 404
    assert "request_id" in answer.json()["detail"]


def test_the_counts_do_not_exist_unless_enabled(serve):
    assert serve().get("/faults/attempts/one").status_code == 404


def test_a_simulated_failure_is_logged_as_taught(capsys, serve):
    client = serve(simulate_failure=True)
    for _ in range(3):
        client.get("/greet/Ada")
    messages = [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]
    assert [message for message in messages if "imulating" in message] == [
        "Simulating failure #1",
        "Simulating failure #2",
    ]
