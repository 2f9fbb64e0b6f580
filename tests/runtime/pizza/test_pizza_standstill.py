"""A fault of Dapr 1.18.0, shown with the sidecar and placement alone: and what pizza-workflow does about it.

A sidecar that loses its connection to placement between the table's `update` and `unlock`, and is then told the same
table again, never lets go of the actor types that had changed.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import httpx
import pytest

from labctl.processes import wait_until
from tests.runtime.pizza.conftest import SOON, WORKFLOW

pytestmark = pytest.mark.lab("pizza")

SHIFT = 72  # of the proxy's port above the app's own, at the end of the plan's range
ACTORS = b"dapr.internal.default.pizza-workflow.workflow"


class Proxy:
    """Passes on what a sidecar and placement say, and cuts them off once: when the sidecar has a table to take over."""

    def __init__(self, port: int, placement: int) -> None:
        self._placement, self._lock = placement, threading.Lock()
        self._told, self.cuts = False, 0
        self._listener = socket.create_server(("127.0.0.1", port))

    @contextmanager
    def running(self) -> Iterator[None]:
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield
        finally:
            self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                sidecar, _ = self._listener.accept()
                placement = socket.create_connection(("127.0.0.1", self._placement))
                for source, target, to_sidecar in ((sidecar, placement, False), (placement, sidecar, True)):
                    threading.Thread(target=self._pass_on, args=(source, target, to_sidecar), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, to_sidecar: bool) -> None:
        with suppress(OSError), source, target:
            while said := source.recv(65_536):
                with self._lock:
                    # The update itself is passed on; the sidecar's answer to it shows that it was taken over.
                    if not to_sidecar and self._told and not self.cuts and WORKFLOW.encode() in said:
                        self.cuts += 1
                        source.shutdown(socket.SHUT_RDWR)
                        target.shutdown(socket.SHUT_RDWR)
                        return
                    self._told = self._told or (to_sidecar and b"update" in said and ACTORS in said)
                target.sendall(said)


@contextmanager
def cut_off(lab, **settings: str) -> Iterator[None]:
    """pizza-workflow beside a sidecar that lost placement once, in the middle of its first table."""
    app = lab.with_settings(WORKFLOW, CALL_TIMEOUT_SECONDS="2", **settings)
    port = app.app_port + SHIFT
    proxy = Proxy(port, lab.site.ports["placement"])
    other = replace(app, entry=app.entry | {"placementHostAddress": f"127.0.0.1:{port}"})
    with proxy.running(), lab.otherwise(other):
        assert proxy.cuts == 1
        yield


def start(lab, order_id: str) -> httpx.Response:
    answer = lab.ask(order_id)
    assert answer.status_code in (202, 504), answer.text
    return answer


def test_a_sidecar_that_lost_placement_at_the_wrong_moment_keeps_every_call_waiting(lab):
    """When this fails the runtime has been mended, and standstill.py is needed no more."""
    with cut_off(lab, STANDSTILL_EVERY_SECONDS="3600"):
        metadata = lab.http.get(lab.sidecar(WORKFLOW, "/v1.0/metadata")).json()
        assert metadata["actorRuntime"]["hostReady"]
        assert lab.http.get(lab.sidecar(WORKFLOW, "/v1.0/healthz")).status_code == 204
        told = start(lab, "standstill-1").json()
        assert (told["status"], told["dependency"]) == (504, "Dapr workflow engine")
        assert not wait_until(lambda: start(lab, "standstill-1").status_code == 202, 20)


def test_pizza_workflow_ends_the_standstill(lab):
    with cut_off(lab, STANDSTILL_EVERY_SECONDS="1"):
        order_id = "standstill-2"
        assert wait_until(lambda: start(lab, order_id).status_code == 202, SOON)
        lab.approve(order_id)
        lab.assert_delivered_once(order_id)
