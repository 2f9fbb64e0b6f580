"""All workflow instances that the sidecars know, as an index that open pages keep fresh.

A sidecar lists ids only, in no useful order, so to sort and filter the console must have read the state of each. It
reads a new one at once, and of those that it knows at most MOST_READS at each refresh, longest unread first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dapr.ext.workflow._durabletask.internal.orchestration_pb2 import OrchestrationStatus, WorkflowState
from google.protobuf.timestamp_pb2 import Timestamp

from console.workflows.engine import Engine, Unloadable, Unreachable
from labctl.up import processes

EVERY = 2.0  # seconds between two refreshes, however many pages are open
MOST = 5000  # instances of an app in the index
MOST_READS = 100
AT_ONCE = 16
ENDED = frozenset(("completed", "failed", "terminated", "canceled"))
STATUSES = ("running", "suspended", "pending", "stalled", "completed", "failed", "terminated")
LOST = "not loadable"
UNKNOWN = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Instance:
    """What the list shows of an instance. read_at: the clock of time.monotonic()."""

    app_id: str
    id: str
    name: str
    status: str
    created: datetime
    updated: datetime
    read_at: float

    @property
    def has_ended(self) -> bool:
        """Return whether it does nothing more."""
        return self.status in ENDED


def of_state(app_id: str, state: WorkflowState) -> Instance:
    """Return the instance of a state."""
    return Instance(
        app_id=app_id,
        id=state.instanceId,
        name=state.name,
        status=status_of(state),
        created=time_of(state.createdTimestamp),
        updated=time_of(state.lastUpdatedTimestamp),
        read_at=time.monotonic(),
    )


def status_of(state: WorkflowState) -> str:
    """Return the status as a word, such as running."""
    return OrchestrationStatus.Name(state.workflowStatus).removeprefix("ORCHESTRATION_STATUS_").lower()


def time_of(stamp: Timestamp) -> datetime:
    """Return the time of a protobuf timestamp."""
    return stamp.ToDatetime(UTC)


class Index:
    """The instances of all apps with workflows.

    `faults` has a sentence for each app whose sidecar did not answer last. `absent` are apps of which nothing runs.
    """

    def __init__(self, engines: Iterable[Engine]) -> None:
        self.engines = {engine.app.app_id: engine for engine in engines}
        self.faults: dict[str, str] = {}
        self.absent: set[str] = set()
        self.unread: dict[str, int] = {}  # instances whose state was not read yet
        self.cut: set[str] = set()  # apps with more than MOST instances
        self._known: dict[str, dict[str, Instance]] = {app_id: {} for app_id in self.engines}
        self._refreshed = 0.0
        self._running: asyncio.Task[None] | None = None

    def all(self) -> list[Instance]:
        """Return all instances that were read, newest first."""
        found = [instance for known in self._known.values() for instance in known.values()]
        return sorted(found, key=lambda one: (one.created, one.id), reverse=True)

    async def refresh(self, wait: float = 0.0) -> None:
        """Start a refresh unless one runs or the last one is fresh, and wait up to `wait` seconds for its end."""
        if self._running is None or self._running.done():
            if time.monotonic() - self._refreshed < EVERY:
                return
            self._running = asyncio.create_task(self._refresh())
        await asyncio.wait([self._running], timeout=wait)
        if self._running.done():
            self._running.result()

    async def _refresh(self) -> None:
        try:
            await asyncio.gather(*(self._refresh_app(engine) for engine in self.engines.values()))
        finally:
            self._refreshed = time.monotonic()

    async def _refresh_app(self, engine: Engine) -> None:
        app_id = engine.app.app_id
        known = self._known[app_id]
        try:
            ids, has_more = await engine.instance_ids(MOST)
            (self.cut.add if has_more else self.cut.discard)(app_id)
            present = set(ids)
            for gone in known.keys() - present:
                del known[gone]
            new = [instance_id for instance_id in ids if instance_id not in known]
            await self._read_all(engine, [*new, *due(known.values())], len(new))
            self.faults.pop(app_id, None)
            self.absent.discard(app_id)
        except Unreachable as fault:
            ports = (engine.app.app_port, engine.app.http_port)
            is_absent = not any([await asyncio.to_thread(processes.answers, port) for port in ports])
            (self.absent.add if is_absent else self.absent.discard)(app_id)
            self.faults[app_id] = str(fault)
            self.unread.pop(app_id, None)

    async def _read_all(self, engine: Engine, ids: Sequence[str], new: int) -> None:
        app_id = engine.app.app_id
        known = self._known[app_id]
        for start in range(0, len(ids), AT_ONCE):
            self.unread[app_id] = max(new - start, 0)
            part = ids[start : start + AT_ONCE]
            for instance_id, found in zip(
                part, await asyncio.gather(*(_read(engine, one) for one in part)), strict=True
            ):
                if found is None:
                    known.pop(instance_id, None)
                else:
                    known[instance_id] = found
        self.unread.pop(app_id, None)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._running:
            self._running.cancel()
        for engine in self.engines.values():
            await engine.aclose()


def due(known: Iterable[Instance]) -> list[str]:
    """Return the ids to read again: those that have not ended before those that have, longest unread first.

    An ended instance may run again under its id, so a tenth of the reads is for those.
    """
    oldest = sorted(known, key=lambda one: one.read_at)
    ended = [one.id for one in oldest if one.has_ended]
    running = [one.id for one in oldest if not one.has_ended][: MOST_READS - MOST_READS // 10]
    return running + ended[: MOST_READS - len(running)]


async def _read(engine: Engine, instance_id: str) -> Instance | None:
    try:
        state = await engine.state(instance_id)
    except Unloadable:
        return Instance(engine.app.app_id, instance_id, "", LOST, UNKNOWN, UNKNOWN, time.monotonic())
    return of_state(engine.app.app_id, state) if state else None
