"""The answer to caller's user when a call fails."""

import json
import threading

import pytest
from dapr.conf import settings as sdk_settings
from grpc import StatusCode

HTTP_VIAS = ["url", "header", "sdk"]
VIAS = [*HTTP_VIAS, "grpc"]
SIMULATED = "Simulated temporary error from callee-service (attempt 2)"


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
def test_an_error_of_dapr_names_callee_and_daprs_code(client, callee, via, sidecar_status, reason, status):
    callee.status, callee.body, callee.headers = sidecar_status, dapr_error(reason), {}
    body = problem_of(client.get(f"/call-greet/Ada?via={via}"), status)
    assert (body["dependency"], body["errorCode"]) == ("callee-app", "ERR_DIRECT_INVOKE")
    assert "callee-app" in body["detail"]
    assert "attempts" not in body


SEEN = (("x-attempt", "1"), ("x-attempt", "2"))


@pytest.mark.parametrize(
    ("code", "reason", "trailers", "status", "said"),
    [
        # On the way to the Greeter.
        (StatusCode.UNAVAILABLE, "dial tcp 127.0.0.1:8004: connection refused", (), 503, "cannot be reached"),
        (StatusCode.UNKNOWN, "timeout waiting for address for app id callee-grpc-app", (), 503, "cannot be reached"),
        (StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded", (), 504, "took longer"),
        (StatusCode.DEADLINE_EXCEEDED, "stream terminated by RST_STREAM with error code: CANCEL", (), 504, "longer"),
        (StatusCode.UNKNOWN, "circuit breaker is open", (), 503, "circuit breaker"),
        (StatusCode.PERMISSION_DENIED, "access control policy has denied access", (), 502, "access policy"),
        (StatusCode.UNAUTHENTICATED, "authentication error: api token mismatch", (), 502, "token"),
        # The Greeter itself, and Dapr after it.
        (StatusCode.UNAVAILABLE, SIMULATED, SEEN, 503, f"callee-grpc-app answered UNAVAILABLE: {SIMULATED}"),
        (StatusCode.INVALID_ARGUMENT, "name: not that one", SEEN, 422, "name: not that one"),
        (StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded", SEEN, 504, "took longer"),
        (StatusCode.UNKNOWN, "circuit breaker is open", SEEN, 503, "circuit breaker"),
    ],
)
def test_an_error_of_grpc_is_daprs_or_the_greeters(client, callee, code, reason, trailers, status, said):
    callee.grpc_error, callee.grpc_trailers = (code, reason), trailers
    body = problem_of(client.get("/call-greet/Ada?via=grpc"), status)
    assert (body["dependency"], body["errorCode"]) == ("callee-grpc-app", code.name)
    assert said in body["detail"]
    assert body.get("attempts") == (2 if trailers else None)


@pytest.mark.parametrize("via", VIAS)
def test_an_open_circuit_breaker_says_when_to_come_back(serve, callee, via):
    callee.status, callee.body, callee.headers = 500, dapr_error("circuit breaker is open"), {}
    callee.grpc_error, callee.grpc_trailers = (StatusCode.UNKNOWN, "circuit breaker is open"), ()
    client = serve(retry_after_seconds=7)
    answer = client.get(f"/call-greet/Ada?via={via}")
    assert "circuit breaker" in problem_of(answer, 503)["detail"]
    assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize("via", HTTP_VIAS)
@pytest.mark.parametrize(
    ("callee_status", "status"),
    [
        *((500, 502), (501, 502), (503, 503), (504, 504), (599, 502), (302, 502)),
        # A 4xx, unless the user cannot mend it (401, 403).
        *((400, 400), (404, 404), (409, 409), (422, 422), (429, 429), (401, 502), (403, 502)),
    ],
)
def test_what_callee_said_last_is_passed_on(client, callee, via, callee_status, status):
    callee.status, callee.headers = callee_status, {"X-Attempt": "4"}
    callee.body = json.dumps({"status": callee_status, "detail": SIMULATED}).encode()
    body = problem_of(client.get(f"/call-greet/Ada?via={via}"), status)
    assert body["detail"] == (SIMULATED if status < 500 else f"callee-app answered {callee_status}: {SIMULATED}")
    assert (body["dependency"], body["errorCode"]) == ("callee-app", "ERR_DIRECT_INVOKE")
    # The SDK drops the headers of an error answer.
    assert body.get("attempts") == (None if via == "sdk" else 4)


@pytest.mark.parametrize("via", HTTP_VIAS)
def test_a_refused_api_token_is_the_sidecars(client, callee, via):
    callee.status, callee.body = 401, b"invalid api token\n"
    body = problem_of(client.get(f"/call-greet/Ada?via={via}"), 502)
    assert body["dependency"] == "Dapr sidecar"
    assert "DAPR_API_TOKEN" in body["detail"]


@pytest.mark.parametrize("via", HTTP_VIAS)
@pytest.mark.parametrize("greeting", [b"", b"<html>", b"[]", b'{"text": "hi"}', b'{"message": 1}'])
def test_an_answer_that_breaks_the_contract_is_a_bad_gateway(client, callee, via, greeting):
    callee.body = greeting
    assert problem_of(client.get(f"/call-greet/Ada?via={via}"), 502)["dependency"] == "callee-app"


@pytest.mark.parametrize("via", HTTP_VIAS)
@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b'{"detail": "' + b"x" * 100_000 + b'"}'])
def test_an_error_of_any_form_becomes_a_short_problem(client, callee, via, body):
    callee.status, callee.body = 500, body
    answer = client.get(f"/call-greet/Ada?via={via}")
    problem_of(answer, 502)
    assert len(answer.content) < 1_000


@pytest.mark.parametrize("via", VIAS)
def test_without_a_sidecar_the_app_starts_and_names_it_in_answer_and_log(serve, via, capsys):
    client = serve(dapr_http_port=1, dapr_grpc_port=1)
    assert client.get("/healthz").json() == {"status": "ok"}
    body = problem_of(client.get(f"/call-greet/Ada?via={via}", headers={"x-request-id": "one"}), 503)
    assert body["dependency"] == "Dapr sidecar"
    assert "errorCode" not in body
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["dependency"] for line in lines if line.get("request_id") == "one"] == ["Dapr sidecar"]


@pytest.mark.parametrize("via", VIAS)
def test_the_time_limit_is_callers_own_and_the_same_for_every_via(serve, callee, via):
    client = serve(call_timeout_seconds=0.3)
    assert client.get(f"/call-greet/Ada?via={via}").status_code == 200
    callee.delay = threading.Event()
    body = problem_of(client.get(f"/call-greet/Ada?via={via}"), 504)
    assert "0.3 s" in body["detail"]
    assert body["dependency"] == ("callee-grpc-app" if via == "grpc" else "callee-app")


def test_the_sdks_own_time_limit_ends_no_call(serve, callee, monkeypatch):
    monkeypatch.setattr(sdk_settings, "DAPR_HTTP_TIMEOUT_SECONDS", 0.1)
    client = serve()
    callee.delay = threading.Event()
    threading.Timer(0.4, callee.delay.set).start()
    assert client.get("/call-greet/Ada?via=sdk").status_code == 200
