"""Show a fault of Dapr (kit/engine/FAULTS.md) with a sidecar and placement alone.

A sidecar loses its connection to placement between the table's `update` and `unlock`, and then gets the same table
again. It never unlocks the actor types that had changed.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from labctl.up.processes import wait_until
from tests.runtime.conftest import Running

WITHIN = 60  # seconds, of which a restart takes most

SHIFT = 72  # of the proxy's port above the app's own, at the end of the plan's range


class Proxy(socketserver.ThreadingTCPServer):
    """Passes on what a sidecar and placement say, and cuts them off once: when the sidecar has a table to take over."""

    allow_reuse_address = True

    def __init__(self, port: int, placement: int, app_id: str) -> None:
        self._placement, self._lock, self._app_id = placement, threading.Lock(), app_id.encode()
        self._actors = b"dapr.internal.default." + self._app_id + b".workflow"
        self._told, self.cuts, self._open = False, 0, list[socket.socket]()
        super().__init__(("127.0.0.1", port), socketserver.BaseRequestHandler)

    @contextmanager
    def running(self) -> Iterator[None]:
        serving = threading.Thread(target=self.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield
        finally:
            self.shutdown()
            serving.join()
            for one in self._open:
                hang_up(one)
            self.server_close()  # waits for the threads of its connections

    def finish_request(self, request: socket.socket, client_address: object) -> None:
        with socket.create_connection(("127.0.0.1", self._placement)) as placement:
            self._open += [request, placement]
            answers = threading.Thread(target=self._pass_on, args=(placement, request, True))
            answers.start()
            self._pass_on(request, placement, False)
            answers.join()

    def _pass_on(self, source: socket.socket, target: socket.socket, to_sidecar: bool) -> None:
        with suppress(OSError):
            while (said := source.recv(65_536)) and not self._cuts_off(said, to_sidecar):
                target.sendall(said)
        hang_up(source)
        hang_up(target)

    def _cuts_off(self, said: bytes, to_sidecar: bool) -> bool:
        with self._lock:
            # The update itself is passed on; the sidecar's answer to it shows that it was taken over.
            if not to_sidecar and self._told and not self.cuts and self._app_id in said:
                self.cuts = 1
                return True
            self._told = self._told or (to_sidecar and b"update" in said and self._actors in said)
            return False


def hang_up(one: socket.socket) -> None:
    with suppress(OSError):  # the other side did
        one.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_off(lab: Running, app_id: str, **settings: str) -> Iterator[None]:
    """Run the app with these settings beside a sidecar that lost placement once, in the middle of its first table."""
    app = lab.with_settings(app_id, **settings)
    port = app.app_port + SHIFT
    proxy = Proxy(port, lab.stack.ports["placement"], app_id)
    other = replace(app, entry=app.entry | {"placementHostAddress": f"127.0.0.1:{port}"})

    def placed() -> bool:
        return lab.http.get(lab.sidecar(app_id, "/v1.0/metadata")).json()["actorRuntime"]["hostReady"]

    with proxy.running(), lab.otherwise(other):
        # The worker may connect, and change the table, only after the sidecar has been ready without it.
        assert wait_until(lambda: proxy.cuts == 1, WITHIN)
        assert wait_until(placed, WITHIN)
        yield
