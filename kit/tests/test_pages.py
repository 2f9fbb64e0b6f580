"""The append-only list: boundaries, bursts, writers that meet, crashes, and cursors."""

import asyncio

import pytest

from kit.sidecar.pages import Pages
from kit.sidecar.store import ATTEMPTS
from kit.sidecar.unavailable import Unavailable
from kit.tests.sidecar_lab import crash_at_save


@pytest.fixture
def pages(store):
    return Pages(store, 3)


def ids(sidecar, key="list"):
    """Return the ids of all entries, page by page, read from the store itself."""
    head = sidecar.value(key)
    return [[e["id"] for e in sidecar.value(f"{key}:{n}")["entries"]] for n in range(head["page"])] + [
        [entry["id"] for entry in head["entries"]]
    ]


def entries(*numbers):
    return [{"id": f"i{number}"} for number in numbers]


async def test_a_full_page_is_copied_and_the_head_goes_on_at_the_same_cost_each_time(sidecar, pages):
    for number in range(7):
        before = len(sidecar.calls)
        await pages.append({"list": entries(number)})
        assert len(sidecar.calls) - before <= 3
    assert ids(sidecar) == [["i0", "i1", "i2"], ["i3", "i4", "i5"], ["i6"]]


async def test_a_burst_of_several_lists_is_one_write(sidecar, store):
    pages = Pages(store, 10)
    await pages.append({"all": entries(*range(8)), "a": entries(0, 1), "b": entries(2)})
    assert ids(sidecar, "all") == [[f"i{n}" for n in range(8)]]
    assert (ids(sidecar, "a"), ids(sidecar, "b")) == ([["i0", "i1"]], [["i2"]])
    assert sidecar.saved("all") == 1


async def test_an_entry_is_not_added_to_the_newest_page_twice(sidecar, pages):
    await pages.append({"list": [*entries(1, 2), *entries(1)]})
    await pages.append({"list": entries(2)})
    assert ids(sidecar) == [["i1", "i2"]]


async def test_two_replicas_lose_nothing_and_repeat_nothing(sidecar, pages, other_store):
    replicas = [pages, Pages(other_store, 3)]
    await asyncio.gather(*(replicas[n % 2].append({"list": entries(n)}) for n in range(40)))
    stored = [one for page in ids(sidecar) for one in page]
    assert sorted(stored) == sorted(f"i{n}" for n in range(40))
    assert [len(page) for page in ids(sidecar)] == [3] * 13 + [1]


async def test_single_entries_that_arrive_at_once_share_their_writes(sidecar, store):
    pages = Pages(store, 50)
    await asyncio.gather(*(pages.add("list", {"id": f"i{n}"}) for n in range(30)))
    assert len(ids(sidecar)[0]) == 30
    assert sidecar.saved("list") <= 3


async def test_single_entries_may_fill_more_pages_than_a_write_has_attempts(sidecar, store):
    pages = Pages(store, 1)
    await asyncio.gather(*(pages.add("list", {"id": f"i{n}"}) for n in range(ATTEMPTS + 5)))
    assert ids(sidecar) == [[f"i{n}"] for n in range(ATTEMPTS + 5)]


async def test_an_entry_that_cannot_be_stored_fails_its_caller_and_no_later_one(sidecar, pages):
    sidecar.is_down = True
    with pytest.raises(Unavailable):
        await pages.add("list", {"id": "lost"})
    sidecar.is_down = False
    await pages.add("list", {"id": "kept"})
    assert ids(sidecar) == [["kept"]]


@pytest.mark.parametrize("step", range(1, 7))
@pytest.mark.parametrize("applied", [False, True], ids=["write lost", "answer lost"])
async def test_a_crash_at_any_write_is_mended_by_the_repeated_append(sidecar, step, applied, pages):
    saved = crash_at_save(sidecar, step, applied)
    for number in range(5):
        try:
            await pages.append({"list": entries(number)})
        except Unavailable:
            await pages.append({"list": entries(number)})
    assert len(saved) >= step
    assert ids(sidecar) == [["i0", "i1", "i2"], ["i3", "i4"]]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 50])
async def test_reading_goes_back_and_on_through_all_pages(limit, pages):
    await pages.append({"list": entries(*range(11))})
    seen, before = [], None
    while True:
        some = await pages.newest("list", limit, before)
        assert len(some.entries) <= limit
        seen += [entry["id"] for _, entry in some.entries]
        before = some.next
        if before is None:
            break
    assert seen == [f"i{n}" for n in reversed(range(11))]
    forward, position = [], 0
    while some := await pages.after("list", position, limit):
        forward += [number for number, _ in some.entries]
        if some.next == position:
            break
        position = some.next
    assert forward == list(range(11))


@pytest.mark.parametrize("before", [11, 12, 1_000_000_000])
async def test_a_cursor_beyond_the_end_starts_at_the_end_and_reads_little(sidecar, before, pages):
    await pages.append({"list": entries(*range(11))})
    reads = len(sidecar.calls)
    some = await pages.newest("list", 2, before)
    assert [number for number, _ in some.entries] == [10, 9]
    assert len(sidecar.calls) - reads <= 2


async def test_following_begins_at_the_end_and_again_after_the_list_has_expired(sidecar, pages):
    await pages.append({"list": entries(0, 1)})
    assert (await pages.after("list", None, 10)).next == 2
    sidecar.reset()
    await pages.append({"list": entries(5)})
    assert [entry["id"] for _, entry in (await pages.after("list", 2, 10)).entries] == ["i5"]


async def test_what_the_owner_keeps_in_a_head_stays_there(sidecar, pages):
    await pages.change("list", lambda head: head | {"about": "x"})
    await pages.append({"list": entries(*range(4))})
    await pages.change("list", lambda head: head | {"about": head["about"] + "y"})
    assert (await pages.head("list")).value["about"] == "xy"
    assert (await pages.head("other")).value is None
    assert ids(sidecar) == [["i0", "i1", "i2"], ["i3"]]


async def test_the_entries_of_an_expired_page_are_passed_over(sidecar, store):
    pages = Pages(store, 3, retention=60)
    await pages.append({"list": entries(*range(5))})
    assert sidecar.ttls() == {"list:0": 60, "list": 60}
    del sidecar.values["statestore", "list:0"]
    some = await pages.newest("list", 5)
    assert ([number for number, _ in some.entries], some.next) == ([4, 3], 3)
