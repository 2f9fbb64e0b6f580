"""The list that takes each item once: boundaries, crashes between two writes, and writers that meet."""

import asyncio
from contextlib import suppress

import grpc
import pytest

from kit.sidecar.unavailable import Unavailable
from kit.sidecar.unique_pages import MOST_EMPTY_PAGES, UniquePages
from kit.tests.sidecar_lab import crash_at_save, with_stores


def run(sidecar, story, count=2, ttl=None):
    async def telling(*stores):
        await story(*(UniquePages(store, "list", 3, ttl) for store in stores))

    with_stores(sidecar, telling, count)


def ids(sidecar):
    pages = []
    while (page := sidecar.value(f"list:{len(pages)}")) is not None:
        pages.append(page["ids"])
    return pages


async def fill(pages, count):
    await pages.open({})
    for number in range(count):
        await pages.append(f"i{number}", {"n": number})


def numbers(some):
    return [item["n"] for _, item in some.entries]


def test_a_full_page_is_followed_by_the_next_at_the_same_cost_each_time(sidecar):
    async def story(pages):
        await pages.open({"owner": "x"})
        for number in range(7):
            before = len(sidecar.calls)
            assert await pages.append(f"i{number}", {"n": number}) == number // 3
            assert len(sidecar.calls) - before <= 10

    run(sidecar, story, 1)
    assert ids(sidecar) == [["i0", "i1", "i2"], ["i3", "i4", "i5"], ["i6"]]
    assert sidecar.value("list") == {"owner": "x", "newest": 2}


def test_writers_that_meet_lose_nothing_and_repeat_nothing(sidecar):
    async def story(one, other):
        await one.open({})
        four = [one, other, one, other]
        await asyncio.gather(*(pages.append(f"i{n}", {}) for n in range(40) for pages in four[n % 3 :]))

    run(sidecar, story)
    pages = ids(sidecar)
    assert sorted(one for page in pages for one in page) == sorted(f"i{number}" for number in range(40))
    assert [len(page) for page in pages] == [3] * 13 + [1]


def test_an_item_of_an_earlier_page_is_found_there(sidecar):
    async def story(one, other):
        await fill(one, 4)
        assert await other.append("i2", {}) == 0
        assert await other.append("i0", {}) == 0

    run(sidecar, story)
    assert ids(sidecar) == [["i0", "i1", "i2"], ["i3"]]


def test_an_item_claimed_for_a_page_that_filled_up_moves_on_once(sidecar):
    """A replica died after its claim; by now the page is full, and two replicas have the event again."""
    sidecar.put("list:at:late", {"page": 0})

    async def story(one, other):
        await fill(one, 5)
        places = await asyncio.gather(one.append("late", {}), other.append("late", {}), one.append("late", {}))
        assert places == [1, 1, 1]

    run(sidecar, story)
    assert ids(sidecar) == [["i0", "i1", "i2"], ["i3", "i4", "late"]]


@pytest.mark.parametrize("step", range(1, 8))
@pytest.mark.parametrize("applied", [False, True], ids=["write lost", "answer lost"])
def test_a_crash_after_any_write_is_mended_by_the_repeated_append(sidecar, step, applied):
    """The store fails at one write, with the write done or not; the event arrives again, at another replica."""

    async def story(one, other):
        await fill(one, 2)
        saved = crash_at_save(sidecar, step, applied)
        for number in range(2, 5):
            with suppress(Unavailable):
                await one.append(f"i{number}", {})
            await other.append(f"i{number}", {})
        assert len(saved) >= step

    run(sidecar, story)
    assert ids(sidecar) == [["i0", "i1", "i2"], ["i3", "i4"]]
    assert sidecar.value("list")["newest"] == 1


def test_an_item_that_is_deleted_as_it_arrives_fails_and_may_arrive_again(sidecar):
    async def story(pages):
        await fill(pages, 3)
        sidecar.put("list:at:late", {"page": 0})
        sidecar.before = lambda method, key: (
            sidecar.values.pop(("statestore", "list:at:late"), None)
            if (method, key) == ("GetState", "list:0")
            else None
        )
        with pytest.raises(Unavailable) as raised:
            await pages.append("late", {})
        assert raised.value.status == 503

    run(sidecar, story, 1)


def test_a_removed_item_leaves_its_slot(sidecar):
    async def story(pages):
        await fill(pages, 4)
        await pages.remove("i1")
        await pages.remove("never")
        assert await pages.find("i1") is None
        assert await pages.find("i2") == {"n": 2}
        assert numbers(await pages.newest(10)) == [3, 2, 0]
        await pages.append("i1", {"n": 1})
        assert numbers(await pages.newest(10)) == [1, 3, 2, 0]

    run(sidecar, story, 1)
    assert ids(sidecar) == [["i0", None, "i2"], ["i3", "i1"]]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 50])
def test_reading_goes_back_through_all_pages(sidecar, limit):
    async def story(pages):
        await fill(pages, 11)
        seen, before = [], None
        while True:
            some = await pages.newest(limit, before)
            assert 0 < len(some.entries) <= limit
            seen += numbers(some)
            before = some.next
            if before is None:
                break
        assert seen == list(reversed(range(11)))

    run(sidecar, story, 1)


@pytest.mark.parametrize("before", [12, 1_000_000_000, 10**15])
def test_a_cursor_beyond_the_end_starts_at_the_end_and_reads_little(sidecar, before):
    async def story(pages):
        await fill(pages, 11)
        reads = len(sidecar.calls)
        assert numbers(await pages.newest(2, before)) == [10, 9]
        assert len(sidecar.calls) - reads <= 3

    run(sidecar, story, 1)


def test_a_read_over_many_removed_items_is_bounded_and_can_be_continued(sidecar):
    async def story(pages):
        await fill(pages, 120)
        for number in range(1, 120):
            await pages.remove(f"i{number}")
        reads = len(sidecar.calls)
        some = await pages.newest(2)
        assert (some.entries, some.next is not None) == ([], True)
        assert len(sidecar.calls) - reads <= MOST_EMPTY_PAGES
        while not some.entries:
            some = await pages.newest(2, some.next)
        assert (numbers(some), some.next) == ([0], None)

    run(sidecar, story, 1)


def test_a_purge_keeps_what_it_is_told_to_keep_and_is_repeated_when_it_failed_half_way(sidecar):
    async def story(pages):
        await fill(pages, 8)
        await pages.purge(lambda item: item["n"] >= 3)
        assert numbers(await pages.newest(10)) == [7, 6, 5, 4, 3]
        for failing in range(12):
            count = 0

            def fail(method, _key, failing=failing):
                nonlocal count
                count += method == "DeleteState"
                return (grpc.StatusCode.UNKNOWN, "crash") if count > failing else None

            sidecar.refuse = fail
            with suppress(Unavailable):
                await pages.purge(lambda _: False)
        sidecar.refuse = lambda *_: None
        await pages.purge(lambda _: False)
        assert sidecar.values == {}
        assert await pages.head() is None
        assert (await pages.newest(10)).entries == []

    run(sidecar, story, 1)


def test_pages_expire_and_the_list_goes_on(sidecar):
    async def story(pages):
        await fill(pages, 7)
        sidecar.expire()
        assert sidecar.keys() == ["list"]
        assert (await pages.newest(10)).entries == []
        assert await pages.append("i1", {"n": 1}) == 2
        assert numbers(await pages.newest(10)) == [1]

    run(sidecar, story, 1, ttl=60)
