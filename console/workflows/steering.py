"""What a user may do to a workflow, and the request that does it: to the app's own API where it has one.

A workflow that is paused twice loops, and one that is resumed without a pause fails (kit/engine/FAULTS.md). So the
state is read before each request, and the next one waits until the state shows the effect of this.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from console.labs import Labs
from console.trouble import reason
from console.workflows.engine import Engine
from console.workflows.instances import ENDED, status_of
from labctl.errors import LabError

PAUSE, RESUME, TERMINATE, PURGE = "Pause", "Resume", "Terminate", "Purge"
APPROVE, REJECT, CANCEL = "Approve", "Reject", "Cancel order"
PIZZA, ORDER, VALIDATED = "pizza-workflow", "pizza-order-", "ValidationComplete"
PATTERNS = "workflow-patterns"
EFFECT_SECONDS = 10.0
_ENDED = tuple(sorted(ENDED))
_ALIVE = ("running", "suspended", "pending")


class Refusal(LabError):
    """A request that was not sent, or that the service refused. The text says why."""


@dataclass(frozen=True)
class Request:
    """A request to an app, or to its sidecar."""

    app_id: str
    path: str
    body: Any = None
    is_own: bool = False  # whether it goes to the app's own API

    def shown(self, labs: Labs) -> str:
        """Return the request as a reader would send it."""
        app = labs.find(self.app_id)
        body = "" if self.body is None else f" {json.dumps(self.body)}"
        port = app.app_port if self.is_own else app.http_port
        return f"POST http://localhost:{port}{self.path}{body}"


@dataclass(frozen=True)
class Step:
    """A button: its name, its request, and the statuses of an instance in which it may be pressed."""

    name: str
    request: Request
    allowed: tuple[str, ...]
    effect: tuple[str, ...] = ()  # statuses that show that it worked

    def why_not(self, status: str) -> str:
        """Return why it cannot be pressed now, or nothing."""
        if status in self.allowed:
            return ""
        if self.allowed == _ENDED:
            return "It has not ended."
        return "It has ended." if status in _ENDED else f"It is {status or 'gone'}, not {' or '.join(self.allowed)}."


def steps(app_id: str, instance_id: str, awaited: Sequence[str]) -> list[Step]:
    """Return what can be done to an instance. awaited: the events that it waits for."""
    order = order_of(app_id, instance_id)
    if order is None:
        own = []
        pause, resume = (_sidecar(app_id, instance_id, word) for word in ("pause", "resume"))
        terminate = Step(TERMINATE, _sidecar(app_id, instance_id, "terminate"), _ALIVE, _ENDED)
    else:
        own = [_verdict(order, True), _verdict(order, False)] if VALIDATED in awaited else []
        pause, resume = (_pizza(f"/{word}-order", order) for word in ("pause", "resume"))
        # Terminated, an order would be neither delivered nor compensated.
        terminate = Step(CANCEL, _pizza("/cancel-order", order), _ALIVE, _ENDED)
    purge = Step(PURGE, _sidecar(app_id, instance_id, "purge"), _ENDED, ("",))
    return [
        *own,
        Step(PAUSE, pause, ("running",), ("suspended", *_ENDED)),
        Step(RESUME, resume, ("suspended",), ("running", *_ENDED)),
        terminate,
        purge,
    ]


def raise_event(app_id: str, instance_id: str, name: str, data: Any) -> Step:
    """Return the step that raises an event."""
    if app_id == PATTERNS and ":" not in instance_id:
        path = f"/patterns/{quote(instance_id, safe='')}/events/{quote(name, safe='')}"
        return Step("Raise event", Request(app_id, path, data, is_own=True), _ALIVE)
    path = _sidecar(app_id, instance_id, f"raiseEvent/{quote(name, safe='')}").path
    return Step("Raise event", Request(app_id, path, data), _ALIVE)


def order_of(app_id: str, instance_id: str) -> str | None:
    """Return the order that an instance drives, None if it drives none, as a child workflow does."""
    is_order = app_id == PIZZA and instance_id.startswith(ORDER) and ":" not in instance_id
    return instance_id.removeprefix(ORDER) if is_order else None


def _sidecar(app_id: str, instance_id: str, word: str) -> Request:
    return Request(app_id, f"/v1.0/workflows/dapr/{quote(instance_id, safe='')}/{word}")


def _pizza(path: str, order: str, **more: Any) -> Request:
    return Request(PIZZA, path, {"order_id": order, **more}, is_own=True)


def _verdict(order: str, approved: bool) -> Step:
    name = APPROVE if approved else REJECT
    return Step(name, _pizza("/validate-pizza", order, approved=approved), ("running", "suspended"))


class Steering:
    """Take steps, one at a time for each instance."""

    def __init__(self, labs: Labs) -> None:
        self._labs = labs
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}
        # Steps without an effect so far, and when the instance had its last turn before.
        self._pending: dict[tuple[str, str], tuple[Step, int]] = {}

    async def take(self, engine: Engine, instance_id: str, step: Step) -> str:
        """Take a step. Return what happened. Raise Refusal, or what the call raises."""
        key = (engine.app.app_id, instance_id)
        async with self._locks.setdefault(key, asyncio.Lock()):
            status, turn = await _look(engine, instance_id)
            self._check_pending(key, step, status, turn)
            if refused := step.why_not(status):
                raise Refusal(f"Nothing was sent. {refused}")
            answer = await self._send(step.request)
            if answer.is_error:
                raise Refusal(f"{engine.app.app_id} answered {answer.status_code}. {reason(answer)}")
            sent = f"{step.request.shown(self._labs)}: {answer.status_code}"
            if step.effect and not await _wait(engine, instance_id, step):
                self._pending[key] = step, turn
                return f"{sent}. No effect within {EFFECT_SECONDS:g} s: it follows the present step."
            return sent

    def _check_pending(self, key: tuple[str, str], step: Step, status: str, turn: int) -> None:
        if key not in self._pending:
            return
        pending, turn_before = self._pending[key]
        # The next turn takes the step, whatever the status is by now.
        if status in pending.effect or turn != turn_before:
            del self._pending[key]
        elif step.name == pending.name:
            raise Refusal(f"Nothing was sent. {step.name} was sent before, and has no effect yet.")

    async def _send(self, request: Request) -> httpx.Response:
        app = self._labs.find(request.app_id)
        more = {} if request.body is None else {"json": request.body}
        send = self._labs.app if request.is_own else self._labs.sidecar
        return await send(app, "POST", request.path, **more)


async def _look(engine: Engine, instance_id: str) -> tuple[str, int]:
    """Return the status of an instance, empty if there is none, and the time of its last turn in nanoseconds."""
    state = await engine.state(instance_id)
    return (status_of(state), state.lastUpdatedTimestamp.ToNanoseconds()) if state else ("", 0)


async def _wait(engine: Engine, instance_id: str, step: Step) -> bool:
    try:
        async with asyncio.timeout(EFFECT_SECONDS):
            # The engine has no call that waits for a pause.
            while (await _look(engine, instance_id))[0] not in step.effect:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    except TimeoutError:
        return False
    return True
