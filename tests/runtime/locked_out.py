"""A sidecar that accepts no worker of its app, while it does everything else for the app.

In Dapr that is a race after the death of an app (kit/engine/FAULTS.md). Here a proxy between the app and its real
sidecar makes it: it refuses the stream of work and passes on everything else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from labctl.up import control, processes
from labctl.up.processes import wait_until
from tests.runtime.conftest import Running
from tests.runtime.cut_off import SHIFT, WITHIN

WORK = "/GetWorkItems"
STREAMS = 32  # calls at once


class Gate(grpc.GenericRpcHandler):
    """Passes calls on to a sidecar, byte for byte; while it is shut, no stream of work."""

    def __init__(self, sidecar: grpc.Channel) -> None:
        self._sidecar, self._lock = sidecar, threading.Lock()
        self._is_shut, self._streams = False, set[Any]()

    def shut(self) -> None:
        """End the streams of work, and refuse new ones."""
        with self._lock:
            self._is_shut = True
            for stream in self._streams:
                stream.cancel()

    def open(self) -> None:
        with self._lock:
            self._is_shut = False

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler[bytes, bytes]:
        method: str = handler_call_details.method
        if method.endswith(WORK):
            return grpc.unary_stream_rpc_method_handler(lambda asked, context: self._work(method, asked, context))
        return grpc.unary_unary_rpc_method_handler(lambda asked, context: self._call(method, asked, context))

    def _call(self, method: str, asked: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            call = self._sidecar.unary_unary(method).future(asked, metadata=context.invocation_metadata())
            context.add_callback(call.cancel)
            return call.result()
        except grpc.RpcError as error:
            context.abort(error.code(), error.details() or "")

    def _work(self, method: str, asked: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        with self._lock:
            if self._is_shut:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the gate is shut")
            stream = self._sidecar.unary_stream(method)(asked, metadata=context.invocation_metadata())
            self._streams.add(stream)
        context.add_callback(stream.cancel)
        # The SDK takes its worker for connected when the first answer of the stream is there.
        context.send_initial_metadata(())
        try:
            yield from stream
        except grpc.RpcError as error:
            context.abort(error.code(), error.details() or "")
        finally:
            with self._lock:
                self._streams.discard(stream)


@contextmanager
def gate_to(port: int, sidecar_port: int) -> Iterator[Gate]:
    """Open a gate on this port to the sidecar's gRPC port."""
    with ThreadPoolExecutor(STREAMS) as pool, grpc.insecure_channel(f"127.0.0.1:{sidecar_port}") as channel:
        gate, server = Gate(channel), grpc.server(pool)
        server.add_generic_rpc_handlers((gate,))
        server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        try:
            yield gate
        finally:
            server.stop(0).wait()


@contextmanager
def beside_a_gate(lab: Running, app_id: str, **settings: str) -> Iterator[Gate]:
    """Run the app with these settings behind an open gate; restore it afterwards."""
    port = lab.app(app_id).app_port + SHIFT
    app = lab.with_settings(app_id, **settings, DAPR_GRPC_PORT=str(port))
    with gate_to(port, app.grpc_port) as gate:
        try:
            control.restart(lab.stack, app_id, app=app, keep_sidecar=True)
            yield gate
        finally:
            control.restart(lab.stack, app_id, app=lab.app(app_id))


def assert_the_sidecar_is_ended(lab: Running, app_id: str, gate: Gate) -> None:
    """Let no worker in, the sidecar is asked to end, and does; started again, as by Kubernetes, it has a worker."""
    before = lab.pid(app_id, "sidecar")
    gate.shut()
    assert wait_until(lambda: before not in pids_of_sidecars(lab, app_id), WITHIN)
    gate.open()
    control.restart(lab.stack, app_id, app=lab.app(app_id), sidecar=True)


def pids_of_sidecars(lab: Running, app_id: str) -> list[int]:
    return [one.pid for one in processes.find(lab.stack) if (one.name, one.kind) == (app_id, "sidecar")]
