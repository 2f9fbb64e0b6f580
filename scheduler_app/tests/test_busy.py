"""A thousand callbacks that arrive all at once, at two replicas."""

import asyncio
import time

import aiohttp
from conftest import process, runs_in

COUNT, JOBS = 1_000, 10


async def fire(*ports: int) -> list[float]:
    limit = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=limit) as session:

        async def callback(number: int) -> float:
            begin = time.perf_counter()
            url = f"http://127.0.0.1:{ports[number % len(ports)]}/job/busy-{number % JOBS}"
            async with session.post(url, json=number) as answer:
                assert answer.status == 200, await answer.text()
            return time.perf_counter() - begin

        return await asyncio.gather(*(callback(number) for number in range(COUNT)))


def test_a_thousand_callbacks_at_once_at_two_replicas_are_all_recorded_once(sidecar):
    with process(sidecar) as (_, one), process(sidecar) as (_, other):
        seconds = sorted(asyncio.run(fire(one, other)))
    assert sorted(run["data"] for run in runs_in(sidecar)) == list(range(COUNT))
    for job in range(JOBS):
        assert sorted(run["data"] for run in runs_in(sidecar, f"job:busy-{job}")) == list(range(job, COUNT, JOBS))
    saves = sidecar.saved("runs")
    print(f"p50 {seconds[COUNT // 2]:.2f} s, p99 {seconds[COUNT * 99 // 100]:.2f} s, {saves} saves")
    assert saves > COUNT / 50, "the replicas did not meet: this test shows nothing"
    assert saves <= COUNT / 10, "callbacks that arrive at once share their writes"
