"""One trace for a request: its calls to the sidecar, the workflow that it starts, and the activities of that."""

import logging

import pytest
from fastapi.testclient import TestClient
from opentelemetry.context import attach, get_current

from kit.edge import logs, trace
from kit.sidecar.events import Publisher
from kit.sidecar.invoke import Invoker
from kit.tests.engine_lab import Greeting, lab, until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
async def in_trace():
    """Run the test in the trace. AnyIO runs all tests in one context."""
    outside = get_current()
    trace.begin(TRACE)
    yield
    attach(outside)


@pytest.fixture
def seen(client):
    """Return a function that sends headers, and returns those of a call that the route would make."""

    @client.app.get("/seen")
    async def seen() -> dict[str, str]:
        return trace.headers()

    return lambda **headers: client.get("/seen", headers=headers).json().get("traceparent")


def test_a_request_continues_its_trace(seen):
    assert seen(traceparent=TRACE) == TRACE


@pytest.mark.parametrize("headers", [{}, {"traceparent": "x" * 20_000}, {"traceparent": TRACE.replace("0af", "0AF")}])
def test_a_request_without_a_valid_trace_begins_one_of_its_own(seen, headers):
    first, second = seen(**headers), seen(**headers)
    assert trace.is_valid(first)
    assert first.split("-")[1] != second.split("-")[1]


@pytest.mark.parametrize(("share", "flags"), [("0", {"00"}), ("1", {"01"}), ("0.5", {"00", "01"})])
def test_of_the_traces_that_begin_here_a_share_is_recorded(make_app, share, flags):
    app = make_app(otel_traces_sampler_arg=share)

    @app.get("/seen")
    async def seen() -> str:
        return trace.headers()["traceparent"]

    with TestClient(app, base_url="http://localhost") as client:
        assert client.get("/seen", headers={"traceparent": TRACE}).json() == TRACE
        assert {client.get("/seen").json()[-2:] for _ in range(64)} == flags


async def test_nothing_is_passed_on_outside_of_a_trace(sdk, sidecar):
    assert (trace.headers(), trace.trace_id()) == ({}, None)
    await Publisher(sdk, "pubsub", "greeter").publish("orders", "OrderPlaced", {})
    assert sidecar.published[0].traceparent is None


@pytest.mark.parametrize("settings", [{}, {"dapr_api_token": "s3cret"}])
async def test_a_call_over_http_is_in_the_trace(in_trace, settings):
    async with lab(connect=False, **settings) as at:
        at.sidecar.apps["callee"] = lambda _: (200, {})
        await Invoker(at.session, at.port).get("callee", "greet")
        assert at.sidecar.invoked[0].headers["traceparent"] == TRACE
        assert at.sidecar.invoked[0].headers.get("dapr-api-token") == settings.get("dapr_api_token")


async def test_a_call_over_grpc_is_in_the_trace(in_trace, sdk, sidecar):
    await Publisher(sdk, "pubsub", "greeter").publish("orders", "OrderPlaced", {})
    assert sidecar.published[0].traceparent == TRACE


async def test_an_activity_is_in_the_trace_that_the_engine_gives_it(in_trace, caplog):
    """The SDK sets it, without a span of its own: no message has to carry it."""
    found = []

    async def greet(greeting: Greeting) -> str:
        found.append(trace.headers()["traceparent"])
        logging.getLogger("story").warning("greeted")
        return "Hello"

    caplog.handler.addFilter(logs.add_ids)
    async with lab(greet=greet) as at:
        await at.start()
        assert at.engine.instances["one"].traceparent == TRACE
        await until(lambda: found)
    assert found == [TRACE]
    assert [record.trace_id for record in caplog.records if record.message == "greeted"] == [TRACE.split("-")[1]]
