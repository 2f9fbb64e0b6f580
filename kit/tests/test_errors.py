"""Every error is a problem (RFC 9457) that names the fault and reveals nothing else."""

import asyncio

import pytest

from kit.edge.limits import BodyLimits
from kit.edge.problems import problem
from kit.sidecar.unavailable import Unavailable

TITLES = {404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large", 422: "Unprocessable Content"}
JSON = {"content-type": "application/json"}


def problem_of(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["title"], body["status"]) == ("about:blank", TITLES[status], status)
    return body


def test_no_such_route_and_wrong_method(client):
    problem_of(client.get("/nothing"), 404)
    answer = client.post("/greet/Ada")
    problem_of(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD"


def test_allow_names_the_methods_of_all_routes_of_a_path(client):
    answer = client.post("/faults", json={})
    problem_of(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, PUT, DELETE"


def test_the_rest_of_a_path_keeps_its_line_breaks(client):
    @client.app.get("/files/{path:path}")
    async def file(path: str) -> str:
        return path

    assert client.get("/files/a/b%0A").json() == "a/b\n"
    assert client.get("/files/a%0Ab").json() == "a\nb"


def test_a_body_that_is_not_json(client):
    answer = client.put("/faults", content=b'{"fail_next": ', headers=JSON)
    assert problem_of(answer, 422)["errors"][0]["field"] == "body"


def test_a_huge_field_name_is_not_sent_back(client):
    answer = client.put("/faults", json={"x" * 50_000: 1, **{f"y{n}": 1 for n in range(500)}})
    problem_of(answer, 422)
    assert len(answer.content) < 5_000


def test_an_unexpected_error_is_a_500_without_details(client):
    @client.app.get("/broken")
    async def broken():
        raise ZeroDivisionError("the secret is 42")

    answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "42" not in answer.text
    assert "Traceback" not in answer.text


def test_an_unavailable_dependency_is_named_and_its_reason_is_not_told(client):
    @client.app.get("/down")
    async def down():
        raise Unavailable(503, "statestore", "statestore cannot be reached.", "INTERNAL", "10.0.0.7 refused", 5)

    answer = client.get("/down")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert {"dependency": "statestore", "errorCode": "INTERNAL"}.items() <= answer.json().items()
    assert "10.0.0.7" not in answer.text


def test_members_without_a_value_are_left_out():
    assert b"dependency" not in problem(404, "No.", dependency=None).body


def test_a_body_larger_than_allowed(serve):
    client = serve(faults_enabled=True, max_body_bytes=100)
    answer = client.put("/faults", content=b" " * 101, headers=JSON)
    problem_of(answer, 413)
    assert answer.headers["connection"] == "close"
    chunked = client.put("/faults", content=iter([b" " * 60] * 2), headers=JSON)
    assert "100 bytes" in problem_of(chunked, 413)["detail"]
    assert client.put("/faults", content=b'{"fail_next": 1}'.ljust(100), headers=JSON).status_code == 200


def test_a_length_of_more_digits_than_python_reads_is_too_large(client):
    problem_of(client.put("/faults", headers={**JSON, "content-length": "0" * 5_000 + "2"}), 413)


async def test_a_body_that_never_ends_is_not_waited_for():
    receive = BodyLimits(max_bytes=100, max_seconds=0.05).bounded(asyncio.Event().wait)
    with pytest.raises(Exception, match=r"408: The body did not arrive within 0.05 s"):
        await receive()


def test_the_reason_for_the_log_has_no_path_which_may_name_a_person():
    error = Unavailable(
        503, "callee-app", "", reason='Get "http://127.0.0.1:8001/greet/Ada%20L": dial tcp 127.0.0.1:8001'
    )
    assert error.reason == 'Get "http://127.0.0.1:8001/…": dial tcp 127.0.0.1:8001'
