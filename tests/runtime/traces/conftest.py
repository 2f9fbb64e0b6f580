"""A request with a trace of its own, and the hops of that trace, as the console has received them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from labctl import spans
from labctl.up.processes import wait_until
from tests.runtime.conftest import ConsoleProcess, Running

# The path of calls to a span, from the request on: app id, a blank, the span's name.
Path = tuple[str, ...]
CLIENT = "00f067aa0ba902b7"
# A sidecar sends its spans up to 5 s after their end.
SENT_WITHIN = 30


@dataclass(frozen=True)
class Trace:
    """One trace. `http` sends requests that belong to it."""

    id: str
    http: httpx.Client
    _api: str

    def spans(self) -> list[spans.Span]:
        """Return the spans that have arrived."""
        answer = httpx.get(f"{self._api}/trace/{self.id}", timeout=10)
        assert answer.status_code in (200, 404), answer.text
        return [spans.read(entry) for entry in answer.json()] if answer.status_code == 200 else []

    def paths(self) -> set[Path]:
        """Return the paths to all spans that hang together with the request."""
        found: set[Path] = set()
        above: list[str] = []
        for root in spans.trees(self.spans()):
            for depth, span in root.walk():
                above[depth:] = [f"{span.service} {span.name.lower()}"]
                if root.span.parent_id == CLIENT:
                    found.add(tuple(above))
        return found

    def expect(self, *wanted: Path) -> None:
        """Wait until the trace has these paths."""
        lower = {tuple(hop.lower() for hop in path) for path in wanted}
        if not wait_until(lambda: lower <= self.paths(), SENT_WITHIN):
            missing = "\n".join(" > ".join(path) for path in sorted(lower - self.paths()))
            there = "\n".join(" > ".join(path) for path in sorted(self.paths()))
            pytest.fail(f"missing:\n{missing}\nthere:\n{there}")


@pytest.fixture
def lab(console: ConsoleProcess, lab: Running) -> Running:
    """The lab of the test's mark, whose sidecars send their spans to the console."""
    return lab


@pytest.fixture
def trace(console: ConsoleProcess) -> Iterator[Trace]:
    """A new trace."""
    trace_id = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace_id}-{CLIENT}-01"}
    with httpx.Client(headers=headers, timeout=60) as http:
        yield Trace(trace_id, http, console.spans)
