"""Lab 1 live: call callee-app through caller-app, and count the attempts while Dapr retries."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from nicegui import ui

from console import sending
from console.frame import heading
from console.labs import Labs
from console.pages.lab.parts import Notice, grid, line
from console.pages.of_app import switches
from console.parts import action, table
from console.sending import Answer
from labctl.errors import LabError

CALLER, CALLEE = "caller-app", "callee-app"
WAYS = {
    "url": "the invoke URL of the sidecar",
    "header": "the plain path and the header dapr-app-id",
    "sdk": "the Dapr SDK for Python",
    "grpc": "gRPC, proxied to callee-grpc-app",
}
LOOK_EVERY = 0.5  # seconds, while a call waits
KEPT = 10  # calls in the table
COLUMNS = {"at": "At", "via": "Via", "result": "Result", "attempts": "Attempts", "elapsed": "Elapsed", "trace": "Trace"}


class Calls:
    """The calls of one browser tab."""

    def __init__(self, labs: Labs) -> None:
        self.labs = labs
        heading("Call through Dapr")
        with line():
            self._name = ui.input("Name", value="Ada").props("dense outlined maxlength=100")
            self._via = ui.select(WAYS, value="url", label="Via").props("dense outlined").style("min-width: 18rem")
            action(labs, "Greet", self._call)
        self._notice = Notice()
        self._rows: list[dict[str, Any]] = []
        self._table = table("Calls", COLUMNS, [], key="id", links={"trace": "trace_url"})

    async def _call(self) -> None:
        request_id, via, begin = f"console-{uuid4().hex[:12]}", str(self._via.value), time.monotonic()
        path = f"/call-greet/{quote(self._name.value or 'Ada', safe='')}?{urlencode({'via': via})}"
        headers = {"x-request-id": request_id}
        calling = asyncio.create_task(sending.ask(self.labs, CALLER, "GET", path, headers=headers))
        try:
            while not (await asyncio.wait({calling}, timeout=LOOK_EVERY))[0]:
                attempts = await self._attempts(request_id)
                self._notice.say(f"Waiting for {time.monotonic() - begin:.0f} s. {attempts}")
        finally:
            calling.cancel()
        answer = calling.result()
        self._notice.show(answer, str(answer.fields.get("message")))
        self._rows = [row(request_id, via, answer), *self._rows][:KEPT]
        self._table.rows = self._rows

    async def _attempts(self, request_id: str) -> str:
        """Return how often callee-app has seen the request, while its sidecar retries."""
        try:
            answer = await sending.look(self.labs, CALLEE, f"/faults/attempts/{request_id}")
        except LabError as error:
            return str(error)
        return f"Attempts so far: {answer.fields['attempts']}." if answer.is_success else "No attempt arrived yet."


def row(request_id: str, via: str, answer: Answer) -> dict[str, Any]:
    """Return a call as a row of the table."""
    fields = answer.fields
    attempts = fields.get("attempts")
    refusal = f"{answer.status or ''} {answer.sentence}".strip()
    return {
        "id": request_id,
        "at": time.strftime("%H:%M:%S"),
        "via": via,
        "result": str(fields.get("message")) if answer.is_success else refusal,
        "attempts": "not said" if attempts is None else str(attempts),
        "elapsed": f"{answer.seconds:.2f} s",
        "trace": "Its trace",
        "trace_url": f"/traces/{answer.trace_id}",
    }


def draw(labs: Labs) -> None:
    """Draw the form of a call, with the fault switch beside it."""
    with grid("26rem").classes("items-start"):
        with ui.column():
            Calls(labs)
        with ui.column():
            heading(f"Faults of {CALLEE}")
            switches.draw(labs, labs.find(CALLEE))
