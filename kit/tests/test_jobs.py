"""Jobs are scheduled, replaced and deleted."""

import grpc
import pytest

from kit.sidecar.jobs import Jobs
from kit.sidecar.unavailable import Unavailable


@pytest.fixture
def jobs(sdk):
    return Jobs(sdk)


async def test_a_job_is_scheduled_replaced_or_left_and_deleted(sidecar, jobs):
    await jobs.schedule("once", "5s")
    await jobs.schedule("often", "5s", schedule="@every 2s", repeats=3, data={"n": [1, "x"]}, max_retries=4)
    await jobs.schedule("once", "7s")
    await jobs.schedule("once", "9s", overwrite=False)
    await jobs.schedule("gone", "1s")
    await jobs.delete("gone")
    await jobs.delete("never")
    assert sidecar.jobs == {
        "once": {"name": "once", "dueTime": "7s", "data": None, "failurePolicy": {"constant": {"interval": "1s"}}},
        "often": {
            "name": "often",
            "dueTime": "5s",
            "schedule": "@every 2s",
            "repeats": 3,
            "data": {"n": [1, "x"]},
            "failurePolicy": {"constant": {"interval": "1s", "maxRetries": 4}},
        },
    }


async def test_a_scheduler_that_is_down_is_named(sidecar, jobs):
    sidecar.refuse = lambda *_: (grpc.StatusCode.INTERNAL, "cron is closed")

    with pytest.raises(Unavailable) as raised:
        await jobs.schedule("once", "5s")
    assert (raised.value.status, raised.value.dependency) == (503, "Dapr scheduler")
