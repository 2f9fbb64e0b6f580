"""Values that are listed, found, changed and removed: crashes between two writes, and writers that meet."""

import asyncio
from contextlib import suppress

import grpc
import pytest

from kit.sidecar.collection import MOST_READS, Collection
from kit.sidecar.pages import Pages
from kit.sidecar.unavailable import Unavailable
from kit.tests.sidecar_lab import crash_at_save


def collection(store, ttl=None):
    return Collection(store, Pages(store, 3, ttl), "list", "list:at:", ttl)


@pytest.fixture
def values(store):
    return collection(store)


@pytest.fixture
def other(other_store):
    return collection(other_store)


async def add(values, *numbers):
    for number in numbers:
        await values.change(f"i{number}", lambda known, number=number: known or {"n": number})


async def listed(values, limit=50, before=None):
    some = await values.newest(limit, before)
    return [item["n"] for _, item in some.entries], some.next


async def test_a_value_is_listed_once_found_and_changed_at_the_same_cost_each_time(sidecar, values, other):
    for number in range(7):
        before = len(sidecar.calls)
        await add(values, number)
        assert len(sidecar.calls) - before <= 5
    await add(other, 0, 3, 6)
    assert await listed(other) == ([6, 5, 4, 3, 2, 1, 0], None)
    assert await other.change("i2", lambda known: known | {"n": 22}) == {"n": 22}
    assert (await values.get("i2"), await values.get("never")) == ({"n": 22}, None)
    assert (await listed(values, 2, 3)) == ([22, 1], 1)


async def test_writers_that_meet_lose_nothing_and_repeat_nothing(values, other):
    four = [values, other, values, other]
    await asyncio.gather(*(add(values, n) for n in range(40) for values in four[n % 3 :]))
    assert sorted((await listed(values))[0]) == list(range(40))


@pytest.mark.parametrize("step", range(1, 8))
@pytest.mark.parametrize("applied", [False, True], ids=["write lost", "answer lost"])
async def test_a_crash_at_any_write_is_mended_by_the_repeated_change(sidecar, step, applied, values, other):
    """The store fails at one write, with the write done or not; the event arrives again, at another replica."""
    await add(values, 0, 1)
    saved = crash_at_save(sidecar, step, applied)
    for number in range(2, 5):
        with suppress(Unavailable):
            await add(values, number)
        await add(other, number)
    assert len(saved) >= step
    assert await listed(values) == ([4, 3, 2, 1, 0], None)


async def test_removed_values_are_passed_over_and_may_be_added_again(values):
    await add(values, *range(8))
    for number in (7, 6, 4, 1):
        await values.remove(f"i{number}")
    assert await listed(values, 3) == ([5, 3, 2], 2)
    assert await listed(values, 3, 2) == ([0], None)
    await add(values, 7, 1)
    assert await listed(values) == ([1, 7, 5, 3, 2, 0], None)


async def test_a_read_over_many_removed_values_is_bounded_and_can_be_continued(sidecar, values):
    await add(values, *range(60))
    await asyncio.gather(*(values.remove(f"i{number}") for number in range(1, 60)))
    reads = len(sidecar.calls)
    found, following = await listed(values, 2)
    assert (found, following) == ([], 60 - 2 * MOST_READS)
    assert len(sidecar.calls) - reads <= 3 * MOST_READS
    assert await listed(values, 2, following) == ([0], None)


async def test_a_purge_keeps_what_it_is_told_to_keep_and_is_repeated_when_it_failed_half_way(sidecar, values):
    await add(values, *range(8))
    await values.purge(lambda item: item["n"] >= 3)
    assert await listed(values) == ([7, 6, 5, 4, 3], None)
    deletions = 0

    def fail_later(method, _key):
        nonlocal deletions
        deletions += method == "DeleteState"
        return (grpc.StatusCode.UNKNOWN, "crash") if method == "DeleteState" and deletions == 3 else None

    sidecar.refuse = fail_later
    with pytest.raises(Unavailable):
        await values.purge(lambda _: False)
    await values.purge(lambda _: False)
    assert await listed(values) == ([], None)


async def test_a_purge_loses_no_value_that_is_added_at_the_same_time(sidecar, values, other):
    """The other replica has listed its id, and saves the value at the end of the purge."""
    await add(values, *range(4))
    loop, adding = asyncio.get_running_loop(), []

    def purge_now(method, key):
        if method == "SaveState" and key == "list:at:i9" and not adding:
            adding.append(key)
            asyncio.run_coroutine_threadsafe(values.purge(lambda _: False), loop).result(5)

    sidecar.before = purge_now
    await add(other, 9)
    assert adding
    assert await listed(values) == ([9], None)


async def test_values_expire_with_their_list(sidecar, store):
    values = collection(store, 60)
    await add(values, *range(4))
    sidecar.expire()
    assert sidecar.keys() == []
    await add(values, 1)
    assert await listed(values) == ([1], None)
