"""The gRPC Greeter, run as the process that Dapr runs."""

import signal
import subprocess
import sys
from contextlib import contextmanager

import grpc
import pytest
from conftest import SERVICE
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from kit.fakes.waiting import process
from protos.greeter_pb2 import GreetRequest
from protos.greeter_pb2_grpc import GreeterStub


@contextmanager
def running_greeter(**environment):
    with (
        process(SERVICE, "greeter.py", **environment) as (_, port),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield channel


@pytest.fixture(scope="module")
def channel():
    with running_greeter() as channel:
        yield channel


def greet(channel, name, *metadata):
    """Return the reply, or the error, and its attempt."""
    try:
        reply, call = GreeterStub(channel).Greet.with_call(GreetRequest(name=name), metadata=metadata, timeout=5)
    except grpc.RpcError as error:
        return error, dict(error.trailing_metadata()).get("x-attempt")
    return reply, dict(call.trailing_metadata())["x-attempt"]


@pytest.mark.parametrize("name", ["Ada", "Dapr User", "漢字", "a/b", "✓" * 100])
def test_greets_by_name(channel, name):
    reply, attempt = greet(channel, name)
    assert name in reply.message
    assert attempt == "1"


def test_the_greeting(channel):
    """The only test that holds its text."""
    assert greet(channel, "Ada")[0].message == "Hello, Ada from callee-grpc-app!"


def test_counts_the_attempts_of_each_request(channel):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    known = [("x-request-id", "one")] * 2 + [("x-request-id", "other")] + [("traceparent", trace)] * 2
    assert [greet(channel, "Ada", one)[1] for one in known] == ["1", "2", "1", "1", "2"]


@pytest.mark.parametrize("name", ["traceparent", "tracestate", "baggage", "grpc-trace-bin", "x-request-id"])
def test_no_metadata_fails_a_greeting(channel, name):
    value = b"x" * 20_000 if name.endswith("-bin") else "x" * 20_000
    for _ in range(5):
        assert greet(channel, "Ada", (name, value))[0].message == "Hello, Ada from callee-grpc-app!"


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_a_bad_name_is_an_invalid_argument_that_names_the_field(channel, name):
    error, attempt = greet(channel, name)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "name: must have 1 to 100 characters"
    assert attempt == "1"


def test_a_message_that_is_too_large_is_refused(channel):
    error, _ = greet(channel, "x" * 100_000)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_simulate_failure_fails_twice_then_succeeds():
    with running_greeter(SIMULATE_FAILURE="true") as channel:
        first, second, third = (greet(channel, "Ada", ("x-request-id", "one")) for _ in range(3))
    assert first[0].code() is grpc.StatusCode.UNAVAILABLE
    assert second[0].details() == "Simulated temporary error from callee-service (attempt 2)"
    assert ("Ada" in third[0].message, third[1]) == (True, "3")


def test_with_a_token_only_who_has_it_is_greeted_and_health_is_open():
    with running_greeter(APP_API_TOKEN="s3cret") as channel:
        for metadata in ((), (("dapr-api-token", "wrong"),)):
            error, _ = greet(channel, "Ada", *metadata)
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        reply, _ = greet(channel, "Ada", ("dapr-api-token", "s3cret"))
        assert "Ada" in reply.message
        assert HealthStub(channel).Check(HealthCheckRequest()).status == HealthCheckResponse.SERVING


def test_stops_at_once_and_cleanly_when_nothing_is_in_flight():
    with process(SERVICE, "greeter.py") as (running, _):
        running.send_signal(signal.SIGTERM)
        assert running.wait(5) == 0


def test_a_port_that_is_held_is_one_clear_sentence():
    with process(SERVICE, "greeter.py") as (_, port):
        command, environment = [sys.executable, "greeter.py"], {"APP_PORT": str(port)}
        second = subprocess.run(command, cwd=SERVICE, env=environment, capture_output=True, text=True, timeout=20)
    assert second.returncode == 1
    assert f"cannot listen at 127.0.0.1:{port}" in second.stderr
    assert "Traceback" not in second.stderr
