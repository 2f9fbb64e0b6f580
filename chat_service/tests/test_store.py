"""State behind Dapr: what an ETag guards, when several write at once."""

import asyncio

import aiohttp
import pytest
from pydantic import BaseModel

from failures import Unreachable
from sdk_client import SdkClient, tell_the_sdk
from settings import Settings
from store import Conflict, Store


class Count(BaseModel):
    n: int


@pytest.fixture
def with_store(sidecar):
    """Runs a coroutine function with a store."""

    def run(work, name="statestore"):
        async def main():
            settings = Settings(_env_file=None, dapr_http_port=sidecar.http_port, dapr_grpc_port=sidecar.grpc_port)
            tell_the_sdk(settings)
            async with aiohttp.ClientSession() as session:
                client = SdkClient(settings, session)
                try:
                    return await work(Store(client, name, 5))
                finally:
                    await client.aclose()

        return asyncio.run(main())

    return run


def test_what_is_made_first_stays(with_store, sidecar):
    async def work(store):
        await store.write("k", Count(n=1), etag="")
        with pytest.raises(Conflict):
            await store.write("k", Count(n=2), etag="")

    with_store(work)
    assert sidecar.values("k") == {"k": {"n": 1}}


def test_what_was_read_ahead_is_read_once_until_it_is_written(with_store, sidecar):
    def one_more(found):
        return Count(n=(found.n if found else 0) + 1)

    async def work(store):
        await store.write("a", Count(n=1), etag="")
        async with store.read_ahead("a", "b"):
            # Somebody else, whom the block does not see before it writes.
            _, etag, _ = sidecar.state["a"]
            sidecar.state["a"] = (b'{"n":10}', etag + 1, {})
            assert (await store.read("a", Count))[0] == Count(n=1)
            assert (await store.read("b", Count))[0] is None
            assert await store.update("a", Count, one_more) == Count(n=11)
            assert await store.update("b", Count, one_more) == Count(n=1)
            assert (await store.read("b", Count))[0] == Count(n=1)

    with_store(work)
    assert sidecar.values("") == {"a": {"n": 11}, "b": {"n": 1}}


@pytest.mark.parametrize("name", ["statestore", "nowhere"])
def test_what_cannot_be_read_ahead_says_so(with_store, sidecar, name):
    sidecar.state_is_down = True

    async def work(store):
        with pytest.raises(Unreachable, match=name):
            async with store.read_ahead("a"):
                pytest.fail("nothing was read")

    with_store(work, name)


def test_what_was_changed_since_is_not_written_over(with_store, sidecar):
    async def work(store):
        await store.write("k", Count(n=1), etag="")
        _, etag = await store.read("k", Count)
        await store.write("k", Count(n=2), etag)
        with pytest.raises(Conflict):
            await store.write("k", Count(n=3), etag)

    with_store(work)
    assert sidecar.values("k") == {"k": {"n": 2}}


def test_no_change_is_lost_among_many_at_once(with_store, sidecar):
    async def work(store):
        def more(found):
            return Count(n=found.n + 1 if found else 1)

        await asyncio.gather(*(store.update("k", Count, more) for _ in range(30)))

    with_store(work)
    assert sidecar.values("k") == {"k": {"n": 30}}


def test_a_failure_that_is_no_conflict_is_told_as_one_of_the_store(with_store, sidecar):
    sidecar.state_is_down = True

    async def work(store):
        with pytest.raises(Unreachable, match="statestore: Dapr answers INTERNAL"):
            await store.write("k", Count(n=1), etag="")
        with pytest.raises(Unreachable, match="statestore: Dapr answers INTERNAL"):
            await store.read("k", Count)

    with_store(work)


def test_a_key_that_dapr_refuses(with_store):
    async def work(store):
        with pytest.raises(Unreachable, match="INVALID_ARGUMENT"):
            await store.write("a||b", Count(n=1), etag="")

    with_store(work)
