"""A caller of callee sees greetings, attempts, and the fault of a bad name."""

import json
from urllib.parse import quote

import pytest

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NO_TRACE = "00-00000000000000000000000000000000-0000000000000000-00"


@pytest.mark.parametrize(
    "name", ["Ada", "Dapr User", "Jürgen", "漢字 ✓", "a/b", "100%", "a?b#c", "...", "x" * 100, "✓" * 100]
)
def test_greets_by_name(client, name):
    answer = client.get(f"/greet/{quote(name, safe='')}")
    assert answer.status_code == 200
    assert name in answer.json()["message"]
    assert answer.headers["x-attempt"] == "1"


def test_the_greeting(client):
    """The only test that holds its text. The pages show it too: README.md, docs/labs/1-service-invocation.md."""
    assert client.get("/greet/Ada").json() == {"message": "Hello, Ada from callee-app!"}


@pytest.mark.parametrize("name", ["", "x" * 101, "x" * 50_000])
def test_a_bad_name_is_named_and_not_sent_back(client, name):
    answer = client.get(f"/greet/{name}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == ["name"]
    assert answer.json()["detail"].startswith("name: ")
    assert len(answer.content) < 500


@pytest.mark.parametrize(
    ("headers", "more", "second_attempt"),
    [
        ({"x-request-id": "one"}, {}, "2"),
        ({"x-request-id": "one"}, {"x-request-id": "other"}, "1"),
        ({"x-request-id": "one", "traceparent": TRACE}, {"x-request-id": "other"}, "1"),
        ({"traceparent": TRACE}, {}, "2"),
        ({"traceparent": NO_TRACE}, {}, "1"),
        ({"traceparent": "nonsense"}, {}, "1"),
        ({}, {}, "1"),
    ],
)
def test_attempts_are_counted_by_request_id_or_else_by_trace(client, headers, more, second_attempt):
    client.get("/greet/Ada", headers=headers)
    assert client.get("/greet/Ada", headers=headers | more).headers["x-attempt"] == second_attempt


def failure(number):
    return f"Simulated temporary error from callee-service (attempt {number})"


@pytest.mark.parametrize(("fails", "settings"), [(2, {}), (0, {"max_fails_before_success": 0})])
def test_simulate_failure_fails_that_often_then_succeeds_and_starts_over(serve, capsys, fails, settings):
    client = serve(simulate_failure=True, **settings)
    answers = [client.get("/greet/Ada") for _ in range(2 * fails + 2)]
    assert [answer.status_code for answer in answers] == [*[500] * fails, 200] * 2
    expected = [*[failure(number) for number in range(1, fails + 1)], None] * 2
    assert [answer.json().get("detail") for answer in answers] == expected
    logged = [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]
    said = [f"Simulating failure #{number}" for number in range(1, fails + 1)] * 2
    assert [message for message in logged if "imulating" in message] == said


def test_without_simulate_failure_nothing_fails_and_nothing_can_be_made_to(serve):
    client = serve(max_fails_before_success=5)
    assert client.get("/greet/Ada").status_code == 200
    assert client.get("/faults/attempts/one").status_code == 404


def test_attempts_that_failed_on_purpose_can_be_read(client):
    assert client.put("/faults", json={"fail_next": 2, "status": 429}).status_code == 200
    answers = [client.get("/greet/Ada", headers={"x-request-id": "one"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert [answer.headers["x-attempt"] for answer in answers] == ["1", "2", "3"]
    assert answers[1].json()["detail"] == failure(2)
    assert client.get("/faults/attempts/one").json() == {"request_id": "one", "attempts": 3}
    answer = client.get("/faults/attempts/unknown")
    assert (answer.status_code, "request_id" in answer.json()["detail"]) == (404, True)


def test_the_welcome_names_the_main_routes(client):
    message = client.get("/").json()["message"]
    assert all(route in message for route in ("/greet/{name}", "/docs", "/healthz", "/readyz"))
