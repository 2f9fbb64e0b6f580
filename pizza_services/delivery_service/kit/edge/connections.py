"""Bounds on a connection for which uvicorn has no options: `uvicorn --http kit.edge.connections:Connection`."""

import asyncio
import resource
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from kit.edge.limits import CLOSE, DRAIN_SECONDS
from kit.edge.problems import problem

# The request line and the headers.
MOST_HEADER_BYTES = 65_536
HEADER_SECONDS = 10
# A sidecar opens a connection for each of the jobs that are due at once, and 1,000 are no rare number.
MOST_DESCRIPTORS = 4_096
OWN_DESCRIPTORS = 124  # for calls of the app itself


def raise_descriptors() -> int:
    """Raise the number of files and connections that this process may open, to MOST_DESCRIPTORS if it may. Return it.

    A shell usually allows 1,024, on macOS 256. Go programs, such as the sidecar, raise it in the same way.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    raised = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < raised:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return raised


MOST_CONNECTIONS = raise_descriptors() - OWN_DESCRIPTORS


class Connection(HttpToolsProtocol):
    """A connection that closes if the headers of a request are too long or late.

    Beyond MOST_CONNECTIONS the one that has waited longest for a request is closed, so one client that opens many
    cannot keep the others out.
    """

    waiting: ClassVar[dict["Connection", None]] = {}
    is_in_headers = is_refused = False
    header_bytes = 0
    late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        # No service has a WebSocket.
        self.ws_protocol_class = None
        self.waiting[self] = None
        # A caller may connect early: its connection is kept as long as one that is idle between two requests.
        self._limit_time(self.config.timeout_keep_alive)
        if len(self.connections) > MOST_CONNECTIONS:
            next(iter(self.waiting)).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.is_refused:
            return
        was_in_headers = self.is_in_headers
        super().data_received(data)
        # The parser keeps incomplete headers of any size.
        self.header_bytes = self.header_bytes + len(data) if was_in_headers and self.is_in_headers else 0
        if self in self.waiting and (not self.late or (self.is_in_headers and not was_in_headers)):
            # Any bytes end uvicorn's own limit for an idle connection, also a blank line.
            self._limit_time(HEADER_SECONDS if self.is_in_headers else self.config.timeout_keep_alive)
        if self.header_bytes > MOST_HEADER_BYTES:
            self._refuse(431, f"The headers are larger than {MOST_HEADER_BYTES} bytes.")

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.is_in_headers = True

    def on_headers_complete(self) -> None:
        self.is_in_headers = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self.waiting[self] = None

    def _limit_time(self, seconds: float) -> None:
        if self.late:
            self.late.cancel()
        self.late = self.loop.call_later(seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        self.waiting.pop(self, None)
        if self.late:
            self.late.cancel()
            self.late = None

    def _refuse(self, status: int, detail: str) -> None:
        answer = problem(status, detail, CLOSE)
        lines = [b"%b: %b\r\n" % header for header in answer.raw_headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", bytes(answer.body)]))
        # To close while the client still sends would cost it the answer.
        self.is_refused = True
        self.transport.write_eof()
        self.loop.call_later(DRAIN_SECONDS, self.transport.close)
