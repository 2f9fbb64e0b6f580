"""A thousand callbacks that arrive all at once, at two replicas."""

import asyncio
import time

import aiohttp
from conftest import process, runs_in

COUNT, JOBS = 1_000, 10


async def fire(numbers: range, *ports: int) -> list[float]:
    limit = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=limit) as session:

        async def callback(number: int) -> float:
            begin = time.perf_counter()
            url = f"http://127.0.0.1:{ports[number % len(ports)]}/job/busy-{number % JOBS}"
            async with session.post(url, json=number) as answer:
                assert answer.status == 200, await answer.text()
            return time.perf_counter() - begin

        return await asyncio.gather(*(callback(number) for number in numbers))


def test_a_thousand_callbacks_at_once_at_two_replicas_are_all_recorded_once(sidecar):
    with process(sidecar) as (_, one), process(sidecar) as (_, other):
        # On a busy machine the replicas may happen to take turns. Then another thousand follows.
        for count in range(COUNT, 6 * COUNT, COUNT):
            seconds = sorted(asyncio.run(fire(range(count - COUNT, count), one, other)))
            saves = sidecar.saved("runs")
            if saves > count / 50:
                break
        else:
            raise AssertionError("the replicas never met: this test shows nothing")
    assert sorted(run["data"] for run in runs_in(sidecar)) == list(range(count))
    for job in range(JOBS):
        assert sorted(run["data"] for run in runs_in(sidecar, f"job:busy-{job}")) == list(range(job, count, JOBS))
    print(f"p50 {seconds[COUNT // 2]:.2f} s, p99 {seconds[COUNT * 99 // 100]:.2f} s, {saves} saves")
    assert saves <= count / 10, "callbacks that arrive at once share their writes"
