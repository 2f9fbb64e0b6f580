"""The state store: what a write guards, what a lost answer means, and writers that meet."""

import asyncio

import grpc
import pytest
from pydantic import BaseModel

from kit.sidecar.pages import Pages
from kit.sidecar.store import Conflict, Write
from kit.sidecar.unavailable import Unavailable


class Claim(BaseModel):
    owner: str
    count: int = 0


async def test_what_was_saved_is_read_with_its_etag_and_may_be_a_model(store):
    assert (await store.get("key")).value is None
    await store.save("key", {"name": "Zoë", "n": [1, None]}, None)
    stored = await store.get("key")
    assert stored.value == {"name": "Zoë", "n": [1, None]}
    await store.save("key", {}, stored.etag)
    assert (await store.get("key")).value == {}
    claims = store.of(Claim)
    await claims.save("claim", Claim(owner="a"), None)
    assert (await claims.get("claim")).value == Claim(owner="a")
    assert (await store.get("claim")).value == {"owner": "a", "count": 0}


async def test_a_value_that_cannot_be_read_is_502_and_stays_out_of_the_answer(sidecar, store):
    sidecar.put("claim", {"owner": {"secret": "words"}})

    with pytest.raises(Unavailable) as raised:
        await store.of(Claim).get("claim")
    assert (raised.value.status, raised.value.dependency) == (502, "statestore")
    assert "words" not in raised.value.detail + raised.value.reason


@pytest.mark.parametrize("etag", [None, "7"], ids=["first write", "stale ETag"])
async def test_a_write_after_another_writer_is_a_conflict(sidecar, etag, store):
    sidecar.put("key", {"by": "other"})

    with pytest.raises(Conflict):
        await store.save("key", {"by": "me"}, etag)
    assert sidecar.value("key") == {"by": "other"}


@pytest.mark.parametrize("etag", [None, "1"], ids=["first write", "second write"])
async def test_a_write_whose_answer_was_lost_is_a_conflict_unless_its_value_is_unique(sidecar, etag, store):
    if etag:
        sidecar.put("key", {"by": "someone"})

    # Redis dies before it answers, and the sidecar retries: its own write is in the way.
    sidecar.lose = lambda *_: (grpc.StatusCode.ABORTED if etag else grpc.StatusCode.INTERNAL, "failed to set key")
    await store.save("key", {"by": "me"}, etag, is_unique=True)
    with pytest.raises(Conflict):
        await store.save("key", {"by": "me"}, "1" if etag else None)
    with pytest.raises(Conflict):
        await store.save("key", {"by": "another"}, "7" if etag else None, is_unique=True)


@pytest.mark.parametrize(("code", "etag"), [(grpc.StatusCode.INTERNAL, None), (grpc.StatusCode.ABORTED, "1")])
async def test_a_store_that_can_only_be_read_is_no_conflict(sidecar, store, code, etag):
    if etag:
        sidecar.put("key", {"page": 0, "entries": []})
    sidecar.refuse = lambda method, _: None if method.startswith("Get") else (code, "READONLY no writes")
    calls = (
        store.save("key", {"n": 1}, etag, is_unique=True), store.change("key", lambda _: {"n": 1}),
        store.save_many([Write("key", {"n": 1}, etag)]), Pages(store).append({"key": [{"id": "1"}]}),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(Unavailable, match="can be read, but refuses") as raised:
            await call
        assert (raised.value.status, raised.value.reason) == (503, "READONLY no writes")


async def test_a_ttl_stays_until_it_is_changed(sidecar, store):
    await store.save("key", {"n": 1}, None, ttl=60)
    await store.save("key", {"n": 2}, "1")
    sidecar.put("other", {})
    sidecar.expire()
    assert sidecar.keys() == ["other"]


async def test_two_replicas_that_change_one_key_lose_nothing(sidecar, store, other_store):
    def edit(claim):
        claim = claim or Claim(owner="all")
        claim.count += 1
        return claim

    await asyncio.gather(*(one.of(Claim).change("key", edit) for one in [store, other_store] * 20))
    assert sidecar.value("key") == {"owner": "all", "count": 40}


async def test_a_change_that_changes_nothing_writes_nothing(sidecar, store):
    before_it_existed = []

    async def first():
        before_it_existed.append(sidecar.value("key"))

    assert await store.change("key", lambda _: None) is None
    assert await store.change("key", lambda _: {"n": 1}, first=first) == {"n": 1}
    assert await store.change("key", lambda value: value, first=first) == {"n": 1}
    assert await store.change("key", lambda _: None) == {"n": 1}
    assert (sidecar.saved("key"), before_it_existed) == (1, [None])


async def test_a_key_that_is_always_written_by_others_is_given_up(sidecar, store):
    def write_too(method, key):
        if method == "SaveState":
            sidecar.put(key, {"n": sidecar.value(key)["n"] + 1})

    sidecar.put("key", {"n": 0})
    sidecar.before = write_too

    with pytest.raises(Unavailable) as raised:
        await store.change("key", lambda value: {"n": -1})
    assert (raised.value.status, raised.value.retry_after) == (503, 1)


async def test_keys_that_were_read_ahead_are_asked_for_once_until_they_are_written(sidecar, store):
    sidecar.put("a", {"n": 1})

    async with store.read_ahead("a", "b"):
        assert (await store.get("a")).value == {"n": 1}
        assert (await store.get("b")).value is None
        sidecar.put("a", {"n": 2})
        assert (await store.get("a")).value == {"n": 1}
        assert (await store.get("a", fresh=True)).value == {"n": 2}
        # The first attempt is a conflict, the second reads the store.
        assert await store.change("a", lambda value: {"n": value["n"] + 1}) == {"n": 3}
        assert (await store.get("a")).value == {"n": 3}
    assert [method for method, key in sidecar.calls if key == "b"] == []


async def test_many_keys_are_read_in_their_order(sidecar, store):
    sidecar.put("a", {"n": 1})

    assert [one.value for one in await store.get_many(["b", "a", "b"])] == [None, {"n": 1}, None]
    assert await store.get_many([]) == []
    sidecar.is_down = True
    with pytest.raises(Unavailable):
        await store.get_many(["a"])


async def test_of_many_writes_those_without_a_conflict_are_saved(sidecar, store):
    sidecar.put("b", {"by": "other"})

    assert not await store.save_many([Write("a", {"n": 1}, None), Write("b", {"n": 1}, None)])
    assert (sidecar.value("a"), sidecar.value("b")) == ({"n": 1}, {"by": "other"})
    assert not await store.save_many([Write("b", {"n": 1}, "7")])
    big = "x" * 400_000
    assert await store.save_many([Write(f"c{n}", {"big": big}, None) for n in range(5)])
    assert len(sidecar.keys("c")) == 5


async def test_a_key_is_deleted_whether_or_not_it_exists(sidecar, store):
    sidecar.put("key", {})
    for _ in range(2):
        await store.delete("key")
        assert sidecar.keys() == []


WRONG_KEY = "fail to get k from state store statestore: cipher: message authentication failed"


def wrong_key(method, _):
    return (grpc.StatusCode.INTERNAL, WRONG_KEY) if method in ("GetState", "GetBulkState") else None


async def test_a_value_of_another_key_is_said_in_one_way_however_it_is_read(store, sidecar):
    sidecar.refuse = wrong_key
    reads = (store.get("k"), store.get_many(["k"]), store.change("k", lambda _: {"n": 1}), store.check_key())
    for read in reads:
        with pytest.raises(Unavailable, match="another key than that in secrets/secrets") as raised:
            await read
        assert (raised.value.status, raised.value.error_code) == (503, "OTHER_KEY")
        assert "--forget" in raised.value.detail
    assert sidecar.keys() == []


async def test_the_first_check_of_the_key_leaves_a_value_and_a_later_one_with_another_mark_fails(store, other_store):
    await store.check_key("a")
    await other_store.check_key("a")
    with pytest.raises(Unavailable, match="another key"):
        await other_store.of(str).check_key("b")


async def test_a_store_that_is_down_is_checked_later(store, sidecar):
    sidecar.is_down = True
    await store.check_key()
    sidecar.is_down = False
    sidecar.refuse = wrong_key
    with pytest.raises(Unavailable, match="another key"):
        await store.check_key()
    sidecar.refuse = lambda *_: None
    await store.check_key()
    assert sidecar.value("key-check") == ""


async def test_a_store_that_is_read_only_is_said_to_be_at_its_first_check(store, sidecar):
    sidecar.refuse = lambda method, _: (grpc.StatusCode.INTERNAL, "READONLY") if method == "SaveState" else None
    with pytest.raises(Unavailable, match="can be read, but refuses this write"):
        await store.check_key()
    sidecar.refuse = lambda *_: None
    await store.check_key()
