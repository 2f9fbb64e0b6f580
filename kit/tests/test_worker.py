"""The worker connects, executes on the service's loop, reconnects, and stops without leaving anything behind."""

import asyncio
import gc
import json
import threading
from types import SimpleNamespace

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from kit.edge import logs
from kit.engine import worker
from kit.engine.worker import Worker, running
from kit.sidecar.unavailable import Unavailable
from kit.tests.engine_lab import Greeting, greet, greeting, lab, until


async def test_a_workflow_runs_and_its_activity_runs_on_the_services_loop():
    async with lab(dapr_api_token="s3cret") as at:
        await at.start()
        # Of the worker and the client.
        assert at.engine.tokens == {"s3cret"}
        assert at.engine.instances["one"].custom_status == f"Hello, Ada! (on {id(asyncio.get_running_loop())})"
        await at.instances.raise_event("one", "Answer", {"to": "you"})
        state = await at.instances.wait("one", 5)
        assert json.loads(state.serialized_output)["answer"] == {"to": "you"}


async def test_the_worker_reconnects_and_workflows_continue(at):
    await at.start()
    (before,) = at.engine.workers
    async with at.worker.disconnected():
        await until(lambda: at.engine.connected() == 0)
        at.engine.deliver("one", eventRaised={"name": "Answer", "input": StringValue(value='"meanwhile"')})
    await until(lambda: at.engine.workers and at.engine.workers[0] is not before)
    state = await at.instances.wait("one", 5)
    assert json.loads(state.serialized_output)["answer"] == "meanwhile"


async def test_a_worker_starts_before_its_sidecar_and_can_be_stopped_until_then():
    async with lab(connect=False) as at:
        without = at.settings.model_copy(update={"dapr_grpc_port": 1})
        worker = Worker(without, [greeting], [greet])
        async with running(worker):
            assert not worker.connected
        assert not worker.connected


async def test_a_stop_in_the_first_moments_takes_effect():
    async with lab(connect=False) as at:
        for _ in range(3):
            async with running(Worker(at.settings, [greeting], [greet])):
                pass
        # A worker that ignored the stop would take work items for ever, and keep the process from ending. The SDK
        # sometimes leaves the channel of a stopped one to the garbage collector.
        assert not [thread for thread in threading.enumerate() if thread.name == "WorkerRunLoop"]
        await until(lambda: gc.collect() >= 0 and at.engine.connected() == 0)


async def test_watches_end_with_the_worker():
    ended = []

    async def watch() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async with lab(connect=False) as at, running(at.worker, watch):
        await until(lambda: at.worker.connected)
    assert ended == [True]


async def test_a_watch_that_fails_is_reported():
    async def watch() -> None:
        raise LookupError("a defect")

    async with lab(connect=False) as at:
        with pytest.raises(LookupError, match="a defect"):
            async with running(at.worker, watch):
                await until(lambda: at.worker.connected)
        assert not at.worker.connected


async def test_the_reason_and_the_instance_of_an_activity_that_failed_are_in_the_log(caplog):
    async def fails(_: Greeting) -> None:
        raise Unavailable(503, "kitchen", "kitchen cannot be reached.", "ERR_DIRECT_INVOKE", "dial tcp 10.0.0.7")

    caplog.handler.addFilter(logs.add_ids)
    with pytest.raises(Unavailable, match="kitchen cannot be reached"):
        await worker._on(asyncio.get_running_loop(), fails)(SimpleNamespace(workflow_id="one"), {"name": "Ada"})
    (record,) = (record for record in caplog.records if record.message == "activity failed")
    assert (record.dependency, record.errorCode, record.reason) == ("kitchen", "ERR_DIRECT_INVOKE", "dial tcp 10.0.0.7")
    assert record.instance_id == "one"
