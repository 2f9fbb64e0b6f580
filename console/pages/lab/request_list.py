"""The requests of a lab as buttons. A press sends one from the console to the local app, and shows the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from console import sending
from console.frame import code
from console.labs import Labs
from console.pages.lab.parts import block, line, link
from console.parts import action
from console.requests import NotYet, Request
from console.sending import Answer


class RequestList:
    """The requests of one file, in one browser tab."""

    def __init__(self, labs: Labs, requests: Sequence[Request]) -> None:
        self.labs = labs
        # Later requests use parts of the answers to earlier ones.
        self.answers: dict[str, Any] = {}
        self._titles = {request.name: request.title for request in requests if request.name}
        with ui.element("ul").classes("full-width q-pa-none q-ma-none").style("list-style: none"):
            for request in requests:
                _Row(self, request.shifted(labs.stack.offset))

    async def send(self, request: Request) -> Answer:
        """Send a request, or say which other one must be sent first."""
        try:
            answer = await sending.send(self.labs, request.filled(self.answers))
        except NotYet as missing:
            first = self._titles.get(str(missing), str(missing))
            return Answer(failure=f"Send “{first}” first: this request has a part of its answer.")
        except sending.Foreign as error:
            return Answer(failure=str(error))
        if request.name:
            self.answers[request.name] = answer.data
        return answer

    def curl(self, request: Request) -> str:
        """Return the command that sends the same."""
        try:
            return sending.curl(self.labs, request.filled(self.answers))
        except NotYet:
            return sending.curl(self.labs, request)


class _Row:
    """A request: its button, its details once they are opened, and its answer once it was sent."""

    def __init__(self, sheet: RequestList, request: Request) -> None:
        self.sheet, self.request = sheet, request
        with ui.element("li").classes("full-width q-py-xs"):
            with line():
                self._send = action(sheet.labs, request.title, self._press).props("dense").classes("q-px-sm")
                code(f"{request.method} {_shown(request.url)}").classes("text-caption")
                self._more = ui.button("Details", on_click=self._toggle, color=None).props("no-caps dense flat size=sm")
                self._more.props("aria-expanded=false").props["aria-label"] = f"Details: {request.title}"
            self._details = ui.column().classes("full-width q-pl-md q-py-xs").style("gap: 0.5rem")
            self._answer = ui.column().classes("full-width q-pl-md").style("gap: 0.25rem").props("role=status")
        self._details.set_visibility(False)
        self._body: ui.textarea | None = None
        self._curl: TextElement | None = None

    @property
    def edited(self) -> Request:
        """Return the request with the body as it was edited."""
        return replace(self.request, body=self._body.value or "") if self._body else self.request

    def _toggle(self) -> None:
        if not self._details.default_slot.children:
            self._draw_details()
        self._details.set_visibility(not self._details.visible)
        self._more.props(f"aria-expanded={str(self._details.visible).lower()}")

    def _draw_details(self) -> None:
        title = self.request.title
        with self._details:
            if self.request.headers:
                lines = [f"{name}: {value}" for name, value in self.request.headers.items()]
                block("\n".join(lines), f"Headers of {title}")
            if self.request.body:
                self._body = ui.textarea("Body, sent as it stands here", value=self.request.body)
                self._body.props("autogrow outlined debounce=300").classes("full-width")
                self._body.on_value_change(self._show_curl)
            with ui.row().classes("items-start full-width no-wrap"):
                curl = self._curl = block(self.sheet.curl(self.edited), f"curl for {title}").classes("col")
                copy = ui.button("Copy", on_click=lambda: ui.clipboard.write(curl.text), color=None)
                copy.props("no-caps dense flat").props["aria-label"] = f"Copy the curl command: {title}"

    def _show_curl(self) -> None:
        if self._curl:
            self._curl.text = self.sheet.curl(self.edited)

    async def _press(self) -> None:
        answer = await self.sheet.send(self.edited)
        self._answer.clear()
        with self._answer:
            self._show(answer)
        self._show_curl()

    def _show(self, answer: Answer) -> None:
        if not answer.status:
            ui.label(answer.failure)
            return
        with line():
            ui.label(f"{status(answer.status)} after {answer.seconds * 1000:,.0f} ms").classes("text-weight-medium")
            link("Its trace", f"/traces/{answer.trace_id}")
        if answer.headers:
            ui.label(" · ".join(f"{name}: {value}" for name, value in answer.headers.items())).classes("text-caption")
        if answer.text:
            block(answer.pretty, f"Answer to {self.request.title}")


def status(number: int) -> str:
    """Return a status with its phrase."""
    return f"{number} {HTTPStatus(number).phrase}" if number in {one.value for one in HTTPStatus} else str(number)


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f":{parts.port}{parts.path}{'?' if parts.query else ''}{parts.query}"
