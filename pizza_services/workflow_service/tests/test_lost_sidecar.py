"""A sidecar that was lost and came back is used again at once."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager

import aiohttp
import grpc
import pytest
from dapr.proto.runtime.v1.dapr_pb2_grpc import add_DaprServicer_to_server

from messages import WaitingPizza
from sdk_client import SdkClient
from settings import Settings
from store import Store, StoreFailed

PIZZA = WaitingPizza(order_id="123", run="a", attempt=1)


@contextmanager
def grpc_server(dapr, port=0):
    """The state store behind a gRPC server of its own, which can be lost."""
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        add_DaprServicer_to_server(dapr, server)
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        yield port
        server.stop(None).wait()


async def lose_and_find(sidecar):
    """Reads a document before its sidecar is lost, often while it is, and once after that."""
    with grpc_server(sidecar.dapr) as port:
        settings = Settings(_env_file=None, dapr_http_port=sidecar.peers.port, dapr_grpc_port=port)
        session = aiohttp.ClientSession()
        sdk = SdkClient(settings, session)
        store = Store(sdk, "pizzastatestore", 5)
        await store.write("validation_123", PIZZA, None)
    async with session, aclosing(sdk):
        for _ in range(5):
            with pytest.raises(StoreFailed):
                await store.read("validation_123", WaitingPizza)
        with grpc_server(sidecar.dapr, port):
            found, _ = await store.read("validation_123", WaitingPizza)
    return found


def test_the_store_is_read_again_at_once(client, sidecar):
    # gRPC by itself would wait a second, and longer each time, before it looks for the sidecar again. On the service's
    # event loop, as gRPC does not bear that one which it has used is closed while others go on.
    assert client.portal.call(lose_and_find, sidecar) == PIZZA
