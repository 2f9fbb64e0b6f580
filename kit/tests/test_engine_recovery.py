"""An engine that keeps each call waiting, a sidecar that accepts no worker, and the recovery from both."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from kit.engine.health import check_worker, has_placement, lacks_only_a_worker
from kit.engine.stalled_engine import StalledEngine
from kit.engine.worker_lockout import WorkerLockout
from kit.sidecar.unavailable import Unavailable
from kit.tests.engine_lab import lab, until

OFTEN = 0.02


@asynccontextmanager
async def watching(watch):
    """Run a watch while the block runs."""
    task = asyncio.create_task(watch())
    yield
    assert not task.done(), task
    task.cancel()
    await asyncio.wait([task])


def stalled_engine(at, every=OFTEN):
    return StalledEngine(at.settings, at.instances, at.worker, at.session, every)


def worker_lockout(at):
    return WorkerLockout(at.settings, at.session, OFTEN, 0.2)


async def until_reconnected(at, before):
    await until(lambda: at.engine.connected() == 1 and at.engine.workers[0] is not before)


async def test_a_worker_and_placement_are_counted_by_the_sidecar(at):
    await check_worker(at.session, at.port)
    assert await has_placement(at.session, at.port)
    assert not await lacks_only_a_worker(at.session, at.port)
    at.sidecar.connected_workers = lambda: 0
    with pytest.raises(Unavailable, match="no workflow worker"):
        await check_worker(at.session, at.port)
    assert await lacks_only_a_worker(at.session, at.port)
    at.sidecar.is_placed = False
    assert not await lacks_only_a_worker(at.session, at.port)
    assert not await has_placement(at.session, at.port)


async def test_without_a_sidecar_nobody_counts_workers():
    async with lab(connect=False) as at:
        for ask in (check_worker, has_placement, lacks_only_a_worker):
            with pytest.raises(Unavailable) as caught:
                await ask(at.session, 1)
            assert (caught.value.status, caught.value.dependency) == (503, "Dapr sidecar")


async def test_a_stalled_engine_recovers_and_the_workflow_continues():
    async with lab(seconds=0.5) as at:
        await at.start()
        (before,) = at.engine.workers
        async with watching(stalled_engine(at).watch):
            at.engine.blocked.set()
            await until(lambda: not at.engine.blocked.is_set())
            await until_reconnected(at, before)
        await at.instances.raise_event("one", "Answer", 1)
        assert await at.instances.wait("one", 5)


async def test_a_workflow_that_accepts_no_call_recovers_once_it_is_suspected():
    async with lab(seconds=0.5) as at:
        await at.start()
        (before,) = at.engine.workers
        at.engine.deadlocked.add("one")
        stalled = stalled_engine(at, every=60)
        async with watching(stalled.watch):
            stalled.suspect()
            await until(lambda: not at.engine.deadlocked)
            await until_reconnected(at, before)


@pytest.mark.parametrize("fault", ["no placement", "no store", "none"])
async def test_an_engine_that_answers_or_recovers_without_help_is_left_alone(fault):
    async with lab(seconds=0.1) as at:
        (before,) = at.engine.workers
        at.sidecar.is_placed = fault != "no placement"
        if fault != "none":
            (at.engine.blocked if fault == "no placement" else at.engine.down).set()
        async with watching(stalled_engine(at).watch):
            first = at.engine.pings
            await until(lambda: at.engine.pings > first + 3)
        assert at.engine.workers == [before]


async def test_a_sidecar_that_accepts_no_worker_is_shut_down():
    async with lab(dapr_api_token="s3cret") as at:
        at.sidecar.connected_workers = lambda: 0
        at.sidecar.at_shutdown = lambda: setattr(at.sidecar, "ready", False)
        async with watching(worker_lockout(at).watch):
            await until(lambda: at.sidecar.shutdowns == 1)
            at.sidecar.ready, at.sidecar.connected_workers = True, at.engine.connected
            first = at.sidecar.looks
            await until(lambda: at.sidecar.looks > first + 20)
        assert at.sidecar.shutdowns == 1


async def test_a_sidecar_that_does_not_shut_down_is_asked_again(at):
    at.sidecar.connected_workers = lambda: 0
    async with watching(worker_lockout(at).watch):
        await until(lambda: at.sidecar.shutdowns == 2)


@pytest.mark.parametrize("state", ["it has a worker", "placement is away"])
async def test_a_sidecar_that_recovers_without_help_is_not_shut_down(at, state):
    at.accepts_workers, at.sidecar.is_placed = state == "it has a worker", state != "placement is away"
    async with watching(worker_lockout(at).watch):
        await until(lambda: at.sidecar.looks > 30)
    assert at.sidecar.shutdowns == 0
