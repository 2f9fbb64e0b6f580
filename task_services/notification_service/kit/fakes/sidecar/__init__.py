"""A stand-in for a service's Dapr sidecar: real servers, and everything in memory.

It answers as Dapr 1.18 with Redis does, with all its oddities (grpc_api.py). That the real one does so is shown by the
repository's tests against the Dapr runtime.
"""

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

import grpc
from dapr.proto.runtime.v1 import dapr_pb2_grpc

from kit.fakes.sidecar.grpc_api import DaprApi
from kit.fakes.sidecar.http_api import handler
from kit.fakes.sidecar.memory import Invocation, Published, Sidecar, Value

__all__ = ["Invocation", "Published", "Sidecar", "Value", "grpc_server", "running_sidecar"]

# More threads than any test has calls at once: a call that waits must hold up no other.
THREADS = 64


@contextmanager
def running_sidecar(*others: Callable[[grpc.Server], object]) -> Generator[Sidecar]:
    """Run a stand-in on free ports. `others` add more services to its gRPC side, such as a workflow engine."""
    sidecar = Sidecar(others=list(others))
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler(sidecar))
    http.daemon_threads = True
    sidecar.http_port = http.server_port
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    with grpc_server(sidecar):
        yield sidecar
        sidecar.released.set()
    http.shutdown()
    http.server_close()


@contextmanager
def grpc_server(sidecar: Sidecar) -> Generator[grpc.Server]:
    """Run the gRPC side, on the port that it had before, if any: so a test can end a sidecar and bring it back."""
    with ThreadPoolExecutor(THREADS) as pool:
        server = grpc.server(pool)
        dapr_pb2_grpc.add_DaprServicer_to_server(DaprApi(sidecar), server)  # pyright: ignore[reportUnknownMemberType]
        for add_to in sidecar.others:
            add_to(server)
        sidecar.grpc_port = server.add_insecure_port(f"127.0.0.1:{sidecar.grpc_port}")
        server.start()
        yield server
        server.stop(None).wait()
