"""The SDK's client: made late, limited in time, and connected again at once after its sidecar was lost."""

import asyncio
import time

import grpc
import pytest
from dapr.clients.grpc._crypto import EncryptOptions
from dapr.proto import api_v1

from kit.fakes.sidecar import Sidecar, grpc_server
from kit.fakes.waiting import free_port
from kit.sidecar.unavailable import Unavailable
from kit.tests.sidecar_lab import connected


async def read(sdk, key="key", **limit):
    async with sdk.calling("statestore", **limit) as client:
        return (await client.get_state("statestore", key)).data


async def failure(sidecar, **settings):
    """Return the error of one read."""
    async with connected(sidecar, **settings) as sdk:
        with pytest.raises(Unavailable) as raised:
            await read(sdk)
    return raised.value


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.INTERNAL, 503),
        (grpc.StatusCode.UNKNOWN, 503),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 503),
        (grpc.StatusCode.INVALID_ARGUMENT, 502),
        (grpc.StatusCode.FAILED_PRECONDITION, 502),
    ],
)
async def test_a_component_that_fails_is_named_and_its_words_stay_in_the_log(sidecar, code, status):
    sidecar.refuse = lambda *_: (code, "dial tcp 10.0.0.7:6379")
    error = await failure(sidecar)
    assert (error.status, error.dependency, error.error_code) == (status, "statestore", code.name)
    assert "10.0.0.7" in error.reason
    assert "10.0.0.7" not in error.detail


async def test_a_token_that_the_sidecar_refuses_is_the_apps_fault(sidecar):
    sidecar.refuse = lambda *_: (grpc.StatusCode.UNAUTHENTICATED, "invalid api token")
    error = await failure(sidecar)
    assert (error.status, error.dependency, "DAPR_API_TOKEN" in error.detail) == (502, "Dapr sidecar", True)


async def test_a_component_that_does_not_answer_is_given_up_in_time(sidecar):
    sidecar.released.clear()
    error = await failure(sidecar, seconds=0.3)
    assert (error.status, error.dependency) == (504, "statestore")
    sidecar.released.set()


async def test_without_a_sidecar_a_call_fails_at_once(sidecar):
    error = await failure(sidecar, dapr_http_port=free_port())
    assert (error.status, error.dependency) == (503, "Dapr sidecar")
    sidecar.ready = False
    assert (await failure(sidecar)).status == 503


async def test_a_sidecar_that_was_lost_and_is_back_is_used_at_once(sidecar):
    # gRPC on its own would wait a second, and longer each time, before it looks for the sidecar again.
    lost = Sidecar(http_port=sidecar.http_port)
    with grpc_server(lost):
        async with connected(lost) as sdk:
            assert await read(sdk) == b""
    async with connected(lost) as sdk:
        for _ in range(5):
            with pytest.raises(Unavailable, match="sidecar"):
                await read(sdk)
        with grpc_server(lost):
            assert await read(sdk) == b""


async def test_a_client_that_is_replaced_stays_open_for_its_longest_call(sidecar):
    sidecar.before = lambda _, key: time.sleep(0.5 if key == "slow" else 0)
    sidecar.refuse = lambda _, key: (grpc.StatusCode.UNAVAILABLE, "not now") if key == "lost" else None

    async with connected(sidecar, seconds=0.1) as sdk:
        slow = asyncio.create_task(read(sdk, "slow", seconds=5))
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable):
            await read(sdk, "lost", seconds=5)
        assert await slow == b""


async def test_calls_at_once_share_one_client_which_shows_the_sidecar_its_token(sidecar):
    async with connected(sidecar, dapr_api_token="s3cret") as sdk:
        await asyncio.gather(*(read(sdk) for _ in range(20)))
        async with sdk.calling("a") as one, sdk.calling("b") as other:
            assert one is other
    assert sidecar.tokens == {"s3cret"}


@pytest.mark.filterwarnings("ignore:The .* API is an Alpha version:UserWarning")
@pytest.mark.parametrize("method", ["Encrypt", "SubscribeConfiguration", "GetState"])
async def test_every_kind_of_call_shows_the_token(sidecar, method):
    """The SDK's own interceptor shows it on single calls only (kit/engine/FAULTS.md)."""
    async with connected(sidecar, dapr_api_token="t0ken") as sdk, sdk.calling("crypto") as client:
        if method == "Encrypt":
            await (await client.encrypt(b"text", EncryptOptions("crypto", "key", "A256KW"))).read()
        elif method == "GetState":
            await client.get_state("statestore", "key")
        else:
            await client._stub.SubscribeConfiguration(api_v1.SubscribeConfigurationRequest(keys=["a"])).read()
    assert [each for each, _ in sidecar.calls] == [method]
    assert sidecar.tokens == {"t0ken"}
