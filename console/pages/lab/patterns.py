"""Lab 6 live: start a run of each pattern, raise its events, and watch the runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from nicegui import ui

from console import requests, sending
from console.frame import code, heading
from console.labs import Labs
from console.pages.lab import stories
from console.pages.lab.parts import EDGE, Notice, block, line, link
from console.parts import action, live
from console.requests import Request
from console.sending import Answer
from labctl.errors import LabError

APP = "workflow-patterns"
EVERY = 1.5  # seconds
KEPT = 12  # runs that are shown, those of this browser tab


class Patterns:
    """All patterns, and the runs that were started in this browser tab."""

    def __init__(self, labs: Labs, examples: Sequence[Request]) -> None:
        self.labs = labs
        self.bodies = bodies(examples)
        self.events: dict[str, list[str]] = {}
        self.runs: list[str] = []
        heading("Patterns")
        live(labs, 30, self._load, self._draw)
        heading("Your runs").classes("q-mt-md")
        self._notice = Notice()
        live(labs, EVERY, self._look, self._draw_runs)

    async def _load(self) -> list[dict[str, Any]]:
        patterns = _accepted(await sending.look(self.labs, APP, "/patterns")).fields["patterns"]
        self.events = {str(pattern["name"]): pattern["events"] for pattern in patterns}
        return patterns

    def _draw(self, patterns: list[dict[str, Any]]) -> None:
        with ui.element("ul").classes("q-pa-none q-ma-none").style("list-style: none"):
            for pattern in patterns:
                with ui.element("li").classes("q-py-xs"):
                    self._draw_pattern(str(pattern["name"]), str(pattern["about"]))

    def _draw_pattern(self, name: str, about: str) -> None:
        with line():

            async def start() -> None:
                await self._start(name, body.value or "{}")

            action(self.labs, f"Start {name}", start).props("dense").classes("q-px-sm")
            ui.label(about).style("min-width: 18rem")
            body = ui.input("Input", value=self.bodies.get(f"/patterns/{name}", "{}")).props("dense outlined")
            body.style("flex: 1 1 18rem").props["aria-label"] = f"Input of {name}"

    async def _start(self, name: str, body: str) -> None:
        answer = await sending.ask(self.labs, APP, "POST", f"/patterns/{name}", _json(body))
        if self._notice.show(answer, f"Started: {answer.fields.get('instance_id')}."):
            self.runs = [str(answer.fields["instance_id"]), *self.runs][:KEPT]

    async def _look(self) -> list[dict[str, Any]]:
        answers = await asyncio.gather(*(sending.look(self.labs, APP, f"/patterns/{run}") for run in self.runs))
        return [_accepted(answer).fields for answer in answers]

    def _draw_runs(self, runs: list[dict[str, Any]]) -> None:
        if not runs:
            ui.label("None yet. Start one above.")
        for run in runs:
            with ui.column().classes("full-width q-pa-sm q-mb-sm").style(f"gap: 0.25rem; {EDGE}"):
                self._draw_run(run)

    def _draw_run(self, run: dict[str, Any]) -> None:
        instance = str(run["instance_id"])
        with line():
            code(instance).classes("text-weight-medium")
            ui.label(f"{run['pattern']}: {run['status']}")
            for event in self.events.get(str(run["pattern"]), []) if run["status"] == "running" else []:
                self._draw_event(instance, event, self.bodies.get(event, "{}"))
            link("Its workflow", f"/workflows/{APP}/{instance}")
        block(in_words(run), f"Run {instance}")

    def _draw_event(self, instance: str, event: str, body: str) -> None:
        async def raise_event() -> None:
            answer = await sending.ask(self.labs, APP, "POST", f"/patterns/{instance}/events/{event}", _json(body))
            self._notice.show(answer, f"Raised {event} for {instance}: {body}")

        button = action(self.labs, f"Raise {event}", raise_event).props("dense size=sm")
        button.props["aria-label"] = f"Raise {event} for {instance}"


def bodies(examples: Sequence[Request]) -> dict[str, str]:
    """Return an input for each path of a pattern, and one for each event, from the requests of the lab.

    The first request of a path counts. A run gets a new id each time.
    """
    found: dict[str, str] = {}
    for request in examples:
        path = urlsplit(request.url).path
        if request.method == "POST" and path.startswith("/patterns/"):
            key = path.rsplit("/", 1)[-1] if "/events/" in path else path
            given: dict[str, Any] = json.loads(request.body)
            given.pop("instance_id", None)
            found.setdefault(key, json.dumps(given))
    return found


def in_words(run: Mapping[str, Any]) -> str:
    """Return the steps of a run, their attempts and its result."""
    attempts: dict[str, int] = run.get("attempts") or {}
    deeds: list[str] = run.get("deeds") or []
    lines = [f"note: {run['note']}"] if run.get("note") else []
    lines += [f"done: {', '.join(deeds) or 'nothing yet'}"]
    lines += [f"attempts: {', '.join(f'{step} {number}' for step, number in attempts.items())}"] if attempts else []
    lines += [f"result: {json.dumps(run['result'], ensure_ascii=False)}"] if run.get("result") is not None else []
    lines += [f"error: {run['error']}"] if run.get("error") else []
    return "\n".join(lines)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise LabError(f"The input is no JSON: {error}.") from error


def _accepted(answer: Answer) -> Answer:
    if not answer.is_success:
        raise LabError(f"{APP} refused: {answer.sentence}")
    return answer


def draw(labs: Labs) -> None:
    """Draw the patterns and the runs."""
    file = stories.STORIES["patterns"].requests
    Patterns(labs, requests.read(file.read_text()) if file else [])
