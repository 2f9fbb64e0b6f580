"""The answer to caller's user when a call fails."""

import json
import socket
import threading

import pytest
from conftest import running_sidecar
from dapr.conf import settings as sdk_settings
from grpc import StatusCode

HTTP_VIAS = ["url", "header", "sdk"]
VIAS = [*HTTP_VIAS, "grpc"]


def dapr_error(reason):
    text = f"failed to invoke, id: callee-app, err: {reason}"
    return json.dumps({"errorCode": "ERR_DIRECT_INVOKE", "message": text}).encode()


def problem_of(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    body = answer.json()
    assert body["status"] == status
    assert "127.0.0.1" not in answer.text
    return body


# Dapr's words, as seen on 1.18.0.
DAPR_SAYS = [
    (500, "rpc error: code = Unavailable desc = connection error: dial tcp 127.0.0.1:5501: connection refused", 503),
    (500, "couldn't find service: callee-app", 503),
    (500, "context deadline exceeded", 504),
    (500, "rpc error: code = DeadlineExceeded desc = stream terminated by RST_STREAM with error code: CANCEL", 504),
    (500, "circuit breaker is open", 503),
    (500, "too many requests", 503),
    (403, "rpc error: code = PermissionDenied desc = access control policy has denied access to id: spiffe://…", 502),
]


@pytest.mark.parametrize("via", HTTP_VIAS)
@pytest.mark.parametrize(("sidecar_status", "reason", "status"), DAPR_SAYS)
def test_an_error_of_dapr_names_callee_and_daprs_code(client, sidecar, via, sidecar_status, reason, status):
    sidecar.status, sidecar.body, sidecar.headers = sidecar_status, dapr_error(reason), {}
    body = problem_of(client.get(f"/call-greet/Ada?via={via}"), status)
    assert (body["dependency"], body["errorCode"]) == ("callee-app", "ERR_DIRECT_INVOKE")
    assert "callee-app" in body["detail"]
    assert "attempts" not in body


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (StatusCode.UNAVAILABLE, "connection error: dial tcp 127.0.0.1:8004: connection refused", 503),
        (StatusCode.UNKNOWN, "timeout waiting for address for app id callee-grpc-app", 503),
        (StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded", 504),
        (StatusCode.DEADLINE_EXCEEDED, "stream terminated by RST_STREAM with error code: CANCEL", 504),
        (StatusCode.UNKNOWN, "circuit breaker is open", 503),
        (StatusCode.PERMISSION_DENIED, "access control policy has denied access", 502),
        (StatusCode.UNAUTHENTICATED, "authentication error: api token mismatch", 502),
    ],
)
def test_an_error_of_daprs_grpc_proxy_names_the_greeter(client, sidecar, code, reason, status):
    sidecar.grpc_error, sidecar.grpc_trailers = (code, reason), ()
    body = problem_of(client.get("/call-greet/Ada?via=grpc"), status)
    assert (body["dependency"], body["errorCode"]) == ("callee-grpc-app", code.name)
    assert ("token" in body["detail"]) == (code is StatusCode.UNAUTHENTICATED)


@pytest.mark.parametrize("via", VIAS)
def test_an_open_circuit_breaker_says_when_to_come_back(serve, sidecar, via):
    sidecar.status, sidecar.body, sidecar.headers = 500, dapr_error("circuit breaker is open"), {}
    sidecar.grpc_error, sidecar.grpc_trailers = (StatusCode.UNKNOWN, "circuit breaker is open"), ()
    client = serve(**sidecar.ports, retry_after_seconds=7)
    answer = client.get(f"/call-greet/Ada?via={via}")
    assert "circuit breaker" in problem_of(answer, 503)["detail"]
    assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize("via", HTTP_VIAS)
@pytest.mark.parametrize(
    ("callee_status", "status"), [(500, 502), (501, 502), (503, 503), (504, 504), (599, 502), (302, 502)]
)
def test_retries_used_up_pass_on_what_callee_said_last(client, sidecar, via, callee_status, status):
    said = "Simulated temporary error from callee-service (attempt 4)"
    sidecar.status, sidecar.headers = callee_status, {"X-Attempt": "4"}
    sidecar.body = json.dumps({"status": callee_status, "detail": said}).encode()
    body = problem_of(client.get(f"/call-greet/Ada?via={via}"), status)
    assert body["detail"] == f"callee-app answered {callee_status}: {said}"
    assert (body["dependency"], body["errorCode"]) == ("callee-app", "ERR_DIRECT_INVOKE")
    # The SDK drops the headers of an error answer.
    assert body.get("attempts") == (None if via == "sdk" else 4)


def test_retries_of_grpc_used_up_pass_on_what_the_greeter_said_last(client, sidecar):
    sidecar.grpc_error = (StatusCode.UNAVAILABLE, "Simulated temporary error from callee-service (attempt 2)")
    sidecar.grpc_trailers = (("x-attempt", "1"), ("x-attempt", "2"))
    body = problem_of(client.get("/call-greet/Ada?via=grpc"), 503)
    assert "Simulated temporary error" in body["detail"]
    assert (body["errorCode"], body["attempts"]) == ("UNAVAILABLE", 2)


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded", 504),
        (StatusCode.UNKNOWN, "circuit breaker is open", 503),
    ],
)
def test_dapr_may_have_the_last_word_after_the_greeter_spoke(client, sidecar, code, reason, status):
    sidecar.grpc_error, sidecar.grpc_trailers = (code, reason), (("x-attempt", "1"), ("x-attempt", "2"))
    body = problem_of(client.get("/call-greet/Ada?via=grpc"), status)
    assert "answered" not in body["detail"]
    assert body["attempts"] == 2


# What the user cannot mend (401, 403) is not put on the user.
@pytest.mark.parametrize("via", HTTP_VIAS)
@pytest.mark.parametrize(
    ("status", "told"), [(400, 400), (404, 404), (409, 409), (422, 422), (429, 429), (401, 502), (403, 502)]
)
def test_a_4xx_of_callee_is_passed_on_if_the_user_can_mend_it(client, sidecar, via, status, told):
    sidecar.status, sidecar.body = status, json.dumps({"status": status, "detail": "name: not that one"}).encode()
    body = problem_of(client.get(f"/call-greet/Ada?via={via}"), told)
    assert body["dependency"] == "callee-app"
    assert told == 502 or body["detail"] == "name: not that one"


def test_an_invalid_argument_of_the_greeter_is_passed_on_as_422(client, sidecar):
    sidecar.grpc_error = (StatusCode.INVALID_ARGUMENT, "name: not that one")
    assert problem_of(client.get("/call-greet/Ada?via=grpc"), 422)["detail"] == "name: not that one"


@pytest.mark.parametrize("via", HTTP_VIAS)
def test_a_refused_api_token_is_the_sidecars(client, sidecar, via):
    sidecar.status, sidecar.body = 401, b"invalid api token\n"
    body = problem_of(client.get(f"/call-greet/Ada?via={via}"), 502)
    assert body["dependency"] == "Dapr sidecar"
    assert "DAPR_API_TOKEN" in body["detail"]


@pytest.mark.parametrize("via", HTTP_VIAS)
@pytest.mark.parametrize("greeting", [b"", b"<html>", b"[]", b'{"text": "hi"}', b'{"message": 1}'])
def test_an_answer_that_breaks_the_contract_is_a_bad_gateway(client, sidecar, via, greeting):
    sidecar.body = greeting
    assert problem_of(client.get(f"/call-greet/Ada?via={via}"), 502)["dependency"] == "callee-app"


@pytest.mark.parametrize("via", HTTP_VIAS)
@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b'{"detail": "' + b"x" * 100_000 + b'"}'])
def test_an_error_of_any_form_becomes_a_short_problem(client, sidecar, via, body):
    sidecar.status, sidecar.body = 500, body
    answer = client.get(f"/call-greet/Ada?via={via}")
    problem_of(answer, 502)
    assert len(answer.content) < 1_000


@pytest.mark.parametrize("via", VIAS)
def test_without_a_sidecar_the_app_starts_and_names_it_in_answer_and_log(serve, via, capsys):
    with socket.socket() as held:  # bound, but nobody listens
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        client = serve(dapr_http_port=port, dapr_grpc_port=port)
        assert client.get("/healthz").json() == {"status": "ok"}
        body = problem_of(client.get(f"/call-greet/Ada?via={via}", headers={"x-request-id": "one"}), 503)
    assert body["dependency"] == "Dapr sidecar"
    assert "errorCode" not in body
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["dependency"] for line in lines if line.get("request_id") == "one"] == ["Dapr sidecar"]


# What the stand-in keeps open (`url`, `header`) outlives it; tests/runtime kills a real sidecar, for all four ways.
@pytest.mark.parametrize("via", ["sdk", "grpc"])
def test_a_sidecar_lost_between_two_calls_is_named(serve, via):
    with running_sidecar() as sidecar:
        client = serve(**sidecar.ports)
        assert client.get(f"/call-greet/Ada?via={via}").status_code == 200
    assert problem_of(client.get(f"/call-greet/Ada?via={via}"), 503)["dependency"] == "Dapr sidecar"


@pytest.mark.parametrize("via", VIAS)
def test_a_sidecar_that_comes_up_later_is_found(serve, via):
    with running_sidecar() as sidecar:
        sidecar.ready, sidecar.status, sidecar.body = False, 500, dapr_error("invoke API is not ready")
        sidecar.grpc_error, sidecar.grpc_trailers = (StatusCode.UNAVAILABLE, "not ready"), ()
        client = serve(**sidecar.ports)
        problem_of(client.get(f"/call-greet/Ada?via={via}"), 503)
        sidecar.ready, sidecar.status, sidecar.body, sidecar.grpc_error = True, 200, None, None
        assert client.get(f"/call-greet/Ada?via={via}").status_code == 200


@pytest.mark.parametrize("via", VIAS)
def test_the_time_limit_is_callers_own_and_the_same_for_every_via(serve, sidecar, via):
    client = serve(**sidecar.ports, call_timeout_seconds=0.3)
    assert client.get(f"/call-greet/Ada?via={via}").status_code == 200
    sidecar.delay = threading.Event()
    body = problem_of(client.get(f"/call-greet/Ada?via={via}"), 504)
    assert "0.3 s" in body["detail"]
    assert body["dependency"] == ("callee-grpc-app" if via == "grpc" else "callee-app")


def test_the_sdks_own_time_limit_ends_no_call(serve, sidecar, monkeypatch):
    monkeypatch.setattr(sdk_settings, "DAPR_HTTP_TIMEOUT_SECONDS", 0.1)
    client = serve(**sidecar.ports)
    sidecar.delay = threading.Event()
    threading.Timer(0.4, sidecar.delay.set).start()
    assert client.get("/call-greet/Ada?via=sdk").status_code == 200
