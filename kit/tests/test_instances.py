"""Instances are scheduled, read, steered and removed, and each fault of the engine is one exception."""

import asyncio

import pytest
from dapr.ext.workflow import WorkflowStatus

from kit.engine import instances
from kit.engine.instances import AlreadyActive, LostInstance, NoInstance, active, idle_seconds
from kit.sidecar.unavailable import Unavailable
from kit.tests.engine_lab import Greeting, lab, until

ADA = Greeting(name="Ada")


@pytest.fixture(autouse=True)
def _is_lost_soon(monkeypatch):
    monkeypatch.setattr(instances, "LOST_AFTER_READS", 3)


async def test_an_instance_is_scheduled_once_while_it_runs(at):
    await at.start()
    with pytest.raises(AlreadyActive):
        await at.instances.schedule("greeting", "one", ADA)
    state = await at.instances.state("one")
    assert active(state)
    assert 0 <= idle_seconds(state) < 10
    assert await at.instances.has_ended("one") is False


async def test_a_missing_instance(at):
    assert await at.instances.state("nobody") is None
    assert await at.instances.has_ended("nobody") is None
    assert not active(None)
    assert await at.instances.wait("nobody", 0.05) is None
    await at.instances.purge("nobody", None)
    of = at.instances
    for call in (of.pause("x"), of.resume("x"), of.raise_event("x", "Answer"), of.terminate("x", None)):
        with pytest.raises(NoInstance):
            await call


async def test_pause_and_resume_and_a_wait_that_ends_as_soon_as_the_instance_does(at):
    await at.start()
    await at.instances.pause("one")
    await until(lambda: at.engine.is_idle())
    assert (await at.instances.state("one")).runtime_status is WorkflowStatus.SUSPENDED
    await at.instances.raise_event("one", "Answer")
    waiting = asyncio.create_task(at.instances.wait("one", 60))
    await at.instances.resume("one")
    async with asyncio.timeout(5):
        assert (await waiting).runtime_status is WorkflowStatus.COMPLETED


async def test_terminate_returns_the_end_that_came_first(at):
    for instance_id in ("one", "other"):
        await at.start(instance_id)
    await at.instances.raise_event("other", "Answer")
    await at.instances.wait("other", 5)
    assert await at.instances.terminate("one", "stopped") is WorkflowStatus.TERMINATED
    assert await at.instances.has_ended("one") is True
    assert await at.instances.terminate("other", "stopped") is WorkflowStatus.COMPLETED


async def test_a_wait_ends_when_the_instance_was_purged_at_its_end(at, monkeypatch):
    answer_of_the_engine = at.instances._client.raise_workflow_event
    monkeypatch.setattr(
        at.instances._client, "wait_for_workflow_completion", lambda one: answer_of_the_engine(one, "Answer")
    )
    assert await at.instances.wait("nobody", 5) is None


async def test_purge_removes_an_instance_whether_it_runs_or_not(at):
    await at.start("running")
    await at.start("ended")
    await at.instances.terminate("ended", None)
    for instance_id in ("running", "ended"):
        await at.instances.purge(instance_id, "forgotten")
        assert await at.instances.state(instance_id) is None


async def test_purge_waits_for_a_last_turn_that_is_still_being_saved(at, monkeypatch):
    await at.start()
    purge, calls = at.instances._client.purge_workflow, []

    async def while_it_is_saved(instance_id):
        calls.append(instance_id)
        if len(calls) == 1:
            at.engine.instances["one"].status = 0
        await purge(instance_id)

    monkeypatch.setattr(at.instances._client, "purge_workflow", while_it_is_saved)
    await at.instances.terminate("one", None)
    await at.instances.purge("one", None)
    assert len(calls) == 2


async def test_a_half_saved_instance_is_read_again(at):
    await at.start()
    at.engine.half_saved = 2
    assert active(await at.instances.state("one"))
    assert at.engine.half_saved == 0


async def test_a_lost_instance_is_unavailable_and_does_nothing_more(at):
    await at.start()
    at.engine.lost.add("one")
    assert await at.instances.has_ended("one") is True
    calls = (
        at.instances.state("one"), at.instances.wait("one", 5), at.instances.raise_event("one", "Answer"),
        at.instances.terminate("one", None), at.instances.purge("one", None),
        at.instances.schedule("greeting", "one", ADA),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(LostInstance) as caught:
            await call
        assert (caught.value.status, caught.value.dependency) == (503, "Dapr workflow engine")


async def test_without_an_answer_each_call_ends_at_its_time_limit():
    async with lab(seconds=0.2) as at:
        await at.start()
        at.engine.down.set()
        for call in (at.instances.state("one"), at.instances.pause("one"), at.instances.purge("one", None)):
            with pytest.raises(Unavailable) as caught:
                await call
            assert (caught.value.status, caught.value.retry_after) == (504, 5)
        assert await at.instances.wait("one", 0.05) is None
        at.engine.down.clear()


async def test_a_refusal_and_a_lost_sidecar_are_told_apart(at):
    at.engine.refuses_starts = True
    with pytest.raises(Unavailable) as caught:
        await at.instances.schedule("greeting", "one", ADA)
    assert (caught.value.status, caught.value.dependency) == (503, "Dapr workflow engine")
    assert "the scheduler is not there" in caught.value.reason
    nowhere = at.settings.model_copy(update={"dapr_grpc_port": 1})
    with pytest.raises(Unavailable) as caught:
        await instances.Instances(nowhere, 5).state("one")
    assert (caught.value.status, caught.value.dependency) == (503, "Dapr sidecar")
