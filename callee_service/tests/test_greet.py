"""A caller of callee sees greetings, attempts, and the fault of a bad name."""

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
    assert answer.json() == {"message": f"Hello, {name} from callee-app!"}
    assert answer.headers["x-attempt"] == "1"


@pytest.mark.parametrize("name", ["", "x" * 101, "x" * 50_000])
def test_a_bad_name_is_named_and_not_sent_back(client, name):
    answer = client.get(f"/greet/{name}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == ["name"]
    assert answer.json()["detail"].startswith("name: ")
    assert len(answer.content) < 500


def test_counts_the_attempts_of_each_request(client):
    def attempt(request_id):
        return client.get("/greet/Ada", headers={"x-request-id": request_id}).headers["x-attempt"]

    assert [attempt("one"), attempt("one"), attempt("other"), attempt("one")] == ["1", "2", "1", "3"]


@pytest.mark.parametrize(
    ("headers", "second_attempt"),
    [
        ({"x-request-id": "one", "traceparent": TRACE}, "2"),
        ({"traceparent": TRACE}, "2"),
        ({"traceparent": NO_TRACE}, "1"),
        ({"traceparent": "nonsense"}, "1"),
        ({}, "1"),
    ],
)
def test_without_a_request_id_the_trace_tells_requests_apart(client, headers, second_attempt):
    client.get("/greet/Ada", headers=headers)
    assert client.get("/greet/Ada", headers=headers).headers["x-attempt"] == second_attempt


def test_two_requests_of_one_trace_are_two_requests(client):
    for request_id in ("one", "other"):
        headers = {"x-request-id": request_id, "traceparent": TRACE}
        assert client.get("/greet/Ada", headers=headers).headers["x-attempt"] == "1"


def test_the_welcome_names_the_main_routes(client):
    message = client.get("/").json()["message"]
    assert all(route in message for route in ("/greet/{name}", "/docs", "/healthz", "/readyz"))
    assert client.get("/docs").status_code == 200
