"""The list in pages: boundaries, crashes between two writes, and writers that meet."""

import asyncio
from contextlib import suppress

import grpc
import pytest
from conftest import replicas

from failures import DependencyFailed
from pages import PagedLog


def logs(parts, size=3, key="list"):
    # The store behind the parts: what every list in the service is made with.
    return [PagedLog(one.store, key, size) for one in parts]


def run(sidecar, story, count=2):
    async def telling():
        async with replicas(sidecar, count) as parts:
            await story(*logs(parts))

    asyncio.run(telling())


def ids(sidecar, key="list"):
    pages = []
    while (page := sidecar.value(f"{key}:{len(pages)}")) is not None:
        pages.append(page["ids"])
    return pages


def test_a_full_page_is_followed_by_the_next(sidecar):
    async def story(log):
        await log.open({"owner": "x"})
        for number in range(7):
            assert await log.append(f"i{number}", {"n": number}) == number // 3

    run(sidecar, story, 1)
    assert ids(sidecar) == [["i0", "i1", "i2"], ["i3", "i4", "i5"], ["i6"]]
    assert sidecar.value("list") == {"owner": "x", "newest": 2}


def test_two_writers_fill_the_last_slot(sidecar):
    async def story(one, other):
        await one.open({})
        for number in range(2):
            await one.append(f"i{number}", {})
        await asyncio.gather(one.append("a", {}), other.append("b", {}))

    run(sidecar, story)
    first, second = ids(sidecar)
    assert {first[2], *second} == {"a", "b"}
    assert len(first) == 3


def test_writers_that_meet_lose_nothing_and_double_nothing(sidecar):
    async def story(*four):
        await four[0].open({})
        await asyncio.gather(*(log.append(f"i{number}", {}) for number in range(40) for log in four[number % 3 :]))

    run(sidecar, story, 4)
    pages = ids(sidecar)
    assert sorted(one for page in pages for one in page) == sorted(f"i{number}" for number in range(40))
    assert [len(page) for page in pages] == [3] * 13 + [1]


def test_an_item_of_the_page_before_is_found_there(sidecar):
    async def story(one, other):
        await one.open({})
        for number in range(4):
            await one.append(f"i{number}", {})
        assert await other.append("i2", {}) == 0
        assert await other.append("i0", {}) == 0

    run(sidecar, story)
    assert ids(sidecar) == [["i0", "i1", "i2"], ["i3"]]


def test_an_item_claimed_for_a_page_that_filled_up_moves_on_once(sidecar):
    """A replica died after its claim; by now the page is full, and two replicas have the event again."""
    sidecar.state["list:at:late"] = (b'{"page": 0}', 1, True)

    async def story(one, other):
        await one.open({})
        for number in range(5):
            await one.append(f"i{number}", {})
        places = await asyncio.gather(one.append("late", {}), other.append("late", {}), one.append("late", {}))
        assert places == [1, 1, 1]

    run(sidecar, story)
    assert ids(sidecar) == [["i0", "i1", "i2"], ["i3", "i4", "late"]]


@pytest.mark.parametrize("step", range(1, 8))
@pytest.mark.parametrize("applied", [False, True], ids=["write lost", "answer lost"])
def test_a_crash_after_any_write_is_mended_by_the_repeated_append(sidecar, step, applied):
    """The store fails at one write, with the write done or not; the event comes again, to another replica."""
    seen = 0

    def crash(method, key):
        nonlocal seen
        seen += method == "save"
        return (grpc.StatusCode.UNAVAILABLE, "crash") if method == "save" and seen == step else None

    async def story(one, other):
        await one.open({})
        for number in range(2):
            await one.append(f"i{number}", {})
        if applied:
            sidecar.after_save = crash
        else:
            sidecar.before_write = crash
        for number in range(2, 5):
            with suppress(DependencyFailed):
                await one.append(f"i{number}", {})
            await other.append(f"i{number}", {})
        assert seen >= step

    run(sidecar, story)
    assert ids(sidecar) == [["i0", "i1", "i2"], ["i3", "i4"]]
    assert sidecar.value("list")["newest"] == 1


def test_what_is_taken_out_leaves_its_slot(sidecar):
    async def story(log):
        await log.open({})
        for number in range(4):
            await log.append(f"i{number}", {"n": number})
        await log.remove("i1")
        assert await log.find("i1") is None
        assert await log.find("i2") == {"n": 2}
        assert [item["n"] for _, item in await log.read(10)] == [0, 2, 3]
        await log.append("i1", {"n": 1})
        assert [item["n"] for _, item in await log.read(10)] == [0, 2, 3, 1]

    run(sidecar, story, 1)
    assert ids(sidecar) == [["i0", None, "i2"], ["i3", "i1"]]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 50])
def test_reading_goes_back_through_all_pages(sidecar, limit):
    async def story(log):
        await log.open({})
        for number in range(11):
            await log.append(f"i{number}", {"n": number})
        seen, before = [], None
        while some := await log.read(limit, before):
            assert len(some) <= limit
            before = some[0][0]
            seen = [item["n"] for _, item in some] + seen
        assert seen == list(range(11))

    run(sidecar, story, 1)


def test_a_purge_keeps_what_it_is_told_to_keep(sidecar):
    async def story(log):
        await log.open({})
        for number in range(8):
            await log.append(f"i{number}", {"n": number})
        await log.purge(lambda item: item["n"] == 7)
        assert [item["n"] for _, item in await log.read(10)] == [7]
        await log.purge(lambda _: False)

    run(sidecar, story, 1)
    assert sidecar.state == {}


def test_a_purge_that_fails_half_way_is_repeated(sidecar):
    async def story(log):
        await log.open({})
        for number in range(8):
            await log.append(f"i{number}", {})
        for failing in range(12):
            count = 0

            def fail(method, _key, failing=failing):
                nonlocal count
                count += method == "delete"
                return (grpc.StatusCode.UNAVAILABLE, "crash") if count > failing else None

            sidecar.before_write = fail
            with suppress(DependencyFailed):
                await log.purge(lambda _: False)
        sidecar.before_write = None
        await log.purge(lambda _: False)

    run(sidecar, story, 1)
    assert sidecar.state == {}
