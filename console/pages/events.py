"""Topics with their publishers, subscribers and lag, and the events that could not be processed."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from nicegui import ui

from console import components
from console.events import letters, streams, topics
from console.events.letters import Letter, Parked
from console.events.streams import Stream
from console.events.topics import Topic
from console.frame import frame, heading
from console.labs import Labs
from console.pages.event import topic as topic_page
from console.pages.event.letter import draw_letter
from console.parts import live, table, watch
from console.times import clock, duration
from console.trouble import sentence

SECONDS = 2.0
COLUMNS = {
    "topic": "Topic",
    "component": "Broker",
    "publishers": "May publish",
    "length": "Events",
    "last": "Last event",
    "subscriber": "Subscriber",
    "lag": "Lag",
    "pending": "Pending",
    "oldest": "Oldest pending",
    "consumers": "Consumers",
}
MEANING = (
    "Events: what Redis still keeps, acknowledged ones too. Lag: events that a subscriber was not given yet. "
    "Pending: events that it was given and has not acknowledged."
)


def install(labs: Labs) -> None:
    """Add the pages."""
    topic_page.install(labs)

    @ui.page("/events")
    async def page() -> None:
        with frame("Events", "/events"):
            heading("Topics")
            _topics(labs)
            heading("Dead letters")
            ui.label("Events that an app could not process, as the app keeps them, newest first.").classes("q-mb-sm")
            live(labs, SECONDS, lambda: _letters(labs), lambda found: _draw_letters(labs, *found))
            heading("Parked events")
            live(labs, 10, lambda: letters.parked(labs.stack), _draw_parked)


def _topics(labs: Labs) -> None:
    ui.label(MEANING).classes("text-caption q-mb-sm")
    unknown = ui.label().classes("text-caption q-mb-sm")

    def show(found: tuple[list[dict[str, Any]], list[str]]) -> None:
        drawn.rows, silent = found
        unknown.text = f"These sidecars do not answer, so their subscriptions are unknown: {', '.join(silent)}."
        unknown.set_visibility(bool(silent))

    drawn = table("Topics", COLUMNS, [], key="key", links={"topic": "url"})
    watch(labs, SECONDS, lambda: _rows(labs), show)


async def _rows(labs: Labs) -> tuple[list[dict[str, Any]], list[str]]:
    brokers = await components.read("pubsub.")
    found, silent = await topics.subscriptions(labs)
    known = topics.topics(brokers, found, [app.app_id for app in labs.apps])
    look = await streams.look(labs.redis, list({topic.name for topic in known}))
    rows = [row for topic in known for row in rows_of(topic, look.get(topic.name))]
    return rows, [app.app_id for app in silent]


def rows_of(topic: Topic, stream: Stream | None) -> list[dict[str, Any]]:
    """Return a row for each subscriber of a topic, or one row if it has none."""
    row: dict[str, Any] = {
        "key": f"{topic.component}/{topic.name}",
        "topic": topic.name,
        "url": f"/events/{quote(topic.component, safe='')}/{quote(topic.name, safe='')}",
        "component": topic.component,
        "publishers": ", ".join(topic.publishers) or "nobody",
        "length": stream.length if stream else 0,
        "last": clock(stream.last) if stream else "",
    }
    groups = {group.app_id: group for group in stream.groups} if stream else {}
    subscribers = sorted({*groups, *(one.app_id for one in topic.subscriptions)})
    rows: list[dict[str, Any]] = []
    for app_id in subscribers:
        group = groups.get(app_id)
        rows.append(
            row
            | {
                "key": f"{row['key']}/{app_id}",
                "subscriber": app_id,
                "lag": ("unknown" if group.lag is None else group.lag) if group else 0,
                "pending": group.pending if group else 0,
                "oldest": "" if group is None or group.oldest is None else duration(group.oldest),
                "consumers": group.consumers if group else 0,
            }
        )
    return rows or [row | {"subscriber": "nobody"}]


async def _letters(labs: Labs) -> tuple[list[Letter], list[str]]:
    keepers = await letters.keepers(labs)
    answers = await asyncio.gather(*(letters.newest(labs, one) for one in keepers), return_exceptions=True)
    found: list[Letter] = []
    problems: list[str] = []
    for answer in answers:
        if isinstance(answer, Exception):
            problems.append(sentence(labs, answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found += answer
    return sorted(found, key=lambda letter: letter.received_at, reverse=True), problems


def _draw_letters(labs: Labs, found: list[Letter], problems: list[str]) -> None:
    for problem in problems:
        ui.label(problem).classes("text-caption")
    if not found:
        ui.label("No dead letters.").classes("q-mb-md")
        return
    with ui.element("ul").classes("full-width q-pa-none q-ma-none q-mb-md").style("list-style: none"):
        for letter in found:
            draw_letter(labs, letter)


def _draw_parked(found: list[Parked]) -> None:
    if not found:
        ui.label("None. ./lab up parks an event that makes a sidecar panic whenever it is delivered.")
        return
    ui.label(letters.PARKED_REASON)
    rows = [
        {"file": str(one.file), "topic": one.topic, "parked": clock(one.parked_at), "size": f"{one.size:,} bytes"}
        for one in found
    ]
    columns = {"topic": "Topic", "parked": "Parked at", "size": "Size", "file": "File"}
    table("Parked events", columns, rows, key="file")
