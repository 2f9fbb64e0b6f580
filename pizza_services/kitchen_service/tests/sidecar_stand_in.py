"""A stand-in for the Dapr sidecar: real servers, state in memory, and ETags as Dapr 1.18 on Redis has them."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from dapr.proto.common.v1 import common_pb2
from dapr.proto.runtime.v1 import dapr_pb2_grpc, state_pb2
from google.protobuf.empty_pb2 import Empty

Refusal = tuple[grpc.StatusCode, str]


@dataclass
class Sidecar:
    """What the stand-in keeps, what was asked of it, and how it can be made to fail."""

    http_port: int = 0
    grpc_port: int = 0
    ready: bool = True
    values: dict[tuple[str, str], tuple[bytes, int]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    # Answers instead of the store, when it gives one: (method, key) → status and words.
    refuse: Callable[[str, str], Refusal | None] = lambda _method, _key: None
    # Runs before a call is carried out: a test may let something else happen in between.
    before: Callable[[str, str], None] = lambda _method, _key: None
    # What else the gRPC half serves, each as a function that adds itself to a server.
    others: list[Callable[[grpc.Server], None]] = field(default_factory=list)
    connected_workers: Callable[[], int] = lambda: 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def saved(self, key: str) -> list[str]:
        """The calls that tried to save this key."""
        return [method for method, called in self.calls if (method, called) == ("SaveState", key)]


class _State(dapr_pb2_grpc.DaprServicer):
    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar

    def GetState(self, request: Any, context: Any) -> Any:
        self._asked("GetState", request.key, context)
        value, version = self._sidecar.values.get((request.store_name, request.key), (b"", 0))
        return state_pb2.GetStateResponse(data=value, etag=str(version) if version else "")

    def GetBulkState(self, request: Any, context: Any) -> Any:
        self._asked("GetBulkState", ",".join(request.keys), context)
        found = [(key, *self._sidecar.values.get((request.store_name, key), (b"", 0))) for key in request.keys]
        items = [state_pb2.BulkStateItem(key=key, data=value, etag=str(version)) for key, value, version in found]
        return state_pb2.GetBulkStateResponse(items=items)

    def SaveState(self, request: Any, context: Any) -> Any:
        (item,) = request.states
        self._asked("SaveState", item.key, context)
        assert item.options.concurrency == common_pb2.StateOptions.CONCURRENCY_FIRST_WRITE
        assert "||" not in item.key, "Dapr refuses such a key"
        with self._sidecar.lock:
            there = self._sidecar.values.get((request.store_name, item.key))
            if not item.HasField("etag"):
                if there:
                    context.abort(grpc.StatusCode.INTERNAL, f"failed saving state: failed to set key {item.key}")
            elif not item.etag.value.isdecimal():
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "failed saving state: invalid etag value")
            elif there and there[1] != int(item.etag.value):
                context.abort(grpc.StatusCode.ABORTED, "failed saving state: possible etag mismatch")
            # As Redis has it, an ETag is let through when its key is gone.
            self._sidecar.values[request.store_name, item.key] = (item.value, (there[1] if there else 0) + 1)
        return Empty()

    def _asked(self, method: str, key: str, context: Any) -> None:
        self._sidecar.before(method, key)
        self._sidecar.calls.append((method, key))
        self._sidecar.tokens.add(dict(context.invocation_metadata()).get("dapr-api-token"))
        if refusal := self._sidecar.refuse(method, key):
            context.abort(*refusal)


def _http_handler(sidecar: Sidecar) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b""
            if self.path == "/v1.0/healthz/outbound":
                self.send_response(204 if sidecar.ready else 500)
            elif self.path == "/v1.0/metadata":
                self.send_response(200)
                self.send_header("content-type", "application/json")
                body = json.dumps({"workflows": {"connectedWorkers": sidecar.connected_workers()}}).encode()
            else:
                self.send_response(404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def running_sidecar(*others: Callable[[grpc.Server], None]) -> Iterator[Sidecar]:
    """A stand-in that listens on ports of its own, and serves these besides state."""
    sidecar = Sidecar(others=list(others))
    with ThreadingHTTPServer(("127.0.0.1", 0), _http_handler(sidecar)) as http:
        sidecar.http_port = http.server_port
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        with grpc_server(sidecar):
            yield sidecar
        http.shutdown()


@contextmanager
def grpc_server(sidecar: Sidecar) -> Iterator[grpc.Server]:
    """The gRPC half of the stand-in, on the port that it has had, if any."""
    # More threads than any test has calls at once: a call that waits in `before` must hold up no other.
    with ThreadPoolExecutor(32) as pool:
        server = grpc.server(pool)
        dapr_pb2_grpc.add_DaprServicer_to_server(_State(sidecar), server)
        for add_to in sidecar.others:
            add_to(server)
        sidecar.grpc_port = server.add_insecure_port(f"127.0.0.1:{sidecar.grpc_port}")
        server.start()
        yield server
        server.stop(None).wait()
