"""Resiliency policies, each with the number of attempts that callee itself counted, through two real sidecars."""

from __future__ import annotations

import re
import threading
import time
from uuid import uuid4

import pytest

from labctl.up import control
from labctl.up.processes import wait_until

pytestmark = pytest.mark.lab("invocation")


@pytest.mark.parametrize("via", ["url", "header", "sdk"])
def test_constant_retry_heals_two_failures(lab, via):
    lab.faults(fail_next=2)
    start = time.monotonic()
    answer = lab.call("/call-greet/Ada", via=via)
    elapsed = time.monotonic() - start
    assert answer.status_code == 200
    assert answer.json()["attempts"] == 3
    assert 0.8 <= elapsed < 3, "two waits of 400 ms"


def test_retries_give_up_and_say_so(lab):
    lab.faults(fail_next=100)
    request_id = str(uuid4())
    start = time.monotonic()
    answer = lab.http.get(lab.url("caller-app", "/call-greet/Ada"), headers={"x-request-id": request_id})
    elapsed = time.monotonic() - start
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "callee-app" in answer.text
    assert lab.attempts(request_id) == 4, "the call and maxRetries: 3"
    assert 1.2 <= elapsed < 4, "three waits of 400 ms"


def test_exponential_retry_waits_longer_each_time(lab):
    lab.faults(fail_next=3)
    request_id = str(uuid4())
    start = time.monotonic()
    answer = lab.invoke("caller-exponential", "/greet/Ada", request_id)
    elapsed = time.monotonic() - start
    assert answer.status_code == 200
    assert lab.attempts(request_id) == 4
    # 500, 750 and 1125 ms, each give or take a half.
    assert 1.18 <= elapsed < 5


def test_a_timeout_ends_each_attempt(lab):
    lab.faults(delay_ms=2000)
    request_id = str(uuid4())
    start = time.monotonic()
    answer = lab.invoke("caller-timeout", "/greet/Ada", request_id)
    elapsed = time.monotonic() - start
    assert answer.status_code == 500
    assert re.search("deadline ?exceeded", answer.json()["message"], re.IGNORECASE)
    assert lab.attempts(request_id) == 3, "the call and maxRetries: 2"
    assert 1.1 <= elapsed < 1.9, "three times 300 ms and two waits of 100 ms, not one answer of 2 s"


def test_the_breaker_opens_half_opens_and_closes(lab):
    lab.faults(fail_next=1000)
    before = lab.calls()
    for _ in range(3):
        assert lab.invoke("caller-breaker", "/greet/Ada").status_code == 500
    assert lab.calls() - before == 3

    for _ in range(5):  # open: refused at once, nothing reaches callee
        answer = lab.invoke("caller-breaker", "/greet/Ada")
        assert answer.status_code >= 500
        assert "circuit breaker is open" in answer.text
    assert lab.calls() - before == 3

    # Half open after 2 s: one call is let through, fails, and it opens again.
    assert wait_until(lambda: "circuit breaker is open" not in lab.invoke("caller-breaker", "/greet/Ada").text, 10)
    assert lab.calls() - before == 4
    assert "circuit breaker is open" in lab.invoke("caller-breaker", "/greet/Ada").text
    assert lab.calls() - before == 4

    lab.http.delete(lab.url("callee-app", "/faults"))  # callee is well again
    before = lab.calls()
    assert wait_until(lambda: lab.invoke("caller-breaker", "/greet/Ada").status_code == 200, 10)
    for _ in range(10):  # closed
        assert lab.invoke("caller-breaker", "/greet/Ada").status_code == 200
    assert lab.calls() - before == 11


@pytest.mark.parametrize(
    ("through", "status", "attempts"), [("caller-app", 404, 1), ("caller-app", 429, 4), ("caller-unmatched", 404, 4)]
)
def test_matching_says_which_status_is_retried(lab, through, status, attempts):
    lab.faults(fail_next=100, status=status)
    request_id = str(uuid4())
    assert lab.invoke(through, "/greet/Ada", request_id).status_code == status
    assert lab.attempts(request_id) == attempts


def test_callee_killed_and_restarted_amid_traffic_loses_nothing(lab):
    """Calls one after another over a kill -9 and a restart: retries that outlast the gap answer every one.

    callee greets once for each.
    """
    answers: list[int] = []
    calls: list[str] = []
    under_way, is_back = threading.Event(), threading.Event()

    def traffic() -> None:
        while not is_back.is_set():
            calls.append(str(uuid4()))
            answers.append(lab.invoke("caller-patient", f"/greet/N{len(calls)}", calls[-1]).status_code)
            if len(calls) == 10:
                under_way.set()

    client = threading.Thread(target=traffic)
    client.start()
    try:
        assert under_way.wait(20)
        control.kill(lab.stack, "callee-app")
        control.restart(lab.stack, "callee-app")
        assert wait_until(lambda: lab.attempts(calls[-2]) == 1, 20), "the new process answers the traffic"
    finally:
        is_back.set()
    client.join(60)
    assert not client.is_alive()
    assert answers == [200] * len(calls)
    # What the old process greeted it greeted before it died; every other call reached the new one, once.
    attempts = [lab.attempts(request_id) for request_id in calls]
    of_the_old = attempts.index(1)
    assert of_the_old >= 10
    assert attempts == [0] * of_the_old + [1] * (len(calls) - of_the_old)


def test_the_greeter_is_tried_again_over_grpc(lab):
    with lab.otherwise(lab.with_settings("callee-grpc-app", SIMULATE_FAILURE="true")):
        answer = lab.call("/call-greet/Ada", via="grpc")
        # It fails twice before each success, and says with its answer which attempt that was.
        assert (answer.status_code, answer.json()["attempts"]) == (200, 3)


@pytest.mark.parametrize("via", ["url", "header", "sdk", "grpc"])
def test_callers_sidecar_killed_and_restarted(lab, via):
    calls = lab.calls()
    control.kill(lab.stack, "caller-app", sidecar=True)
    down = lab.call("/call-greet/Ada", via=via)
    assert down.status_code in (502, 503, 504)
    assert "sidecar" in down.text.lower()
    assert lab.http.get(lab.url("caller-app", "/healthz")).status_code == 200
    assert lab.http.get(lab.url("caller-app", "/readyz")).status_code == 503
    assert lab.calls() == calls, "nothing has reached callee"
    before = lab.pid("caller-app")
    control.restart(lab.stack, "caller-app", sidecar=True)
    # gRPC channels back off before they connect again.
    assert wait_until(lambda: lab.call("/call-greet/Ada", via=via).status_code == 200, 20)
    assert lab.call("/call-greet/Ada", via=via).json()["attempts"] == 1
    assert lab.pid("caller-app") == before, "the app itself was not touched"
