"""One topic: its subscriptions and their rules, its latest events, and a form that publishes to it."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from console import components
from console.events import streams, topics
from console.events.streams import Event
from console.events.topics import Subscription, Topic
from console.frame import frame, heading
from console.labs import Labs
from console.pages.event.publish import envelope_button, form, publishers
from console.pages.event.text import text_dialog
from console.parts import live, table, watch
from console.times import clock

SECONDS = 2.0
EVENT_COLUMNS = {
    "published": "Published",
    "type": "Type",
    "source": "Source",
    "subject": "Subject",
    "id": "Id",
    "trace": "Trace",
    "size": "Size",
    "show": "Event",
}
SUBSCRIPTION_COLUMNS = {
    "app": "App",
    "kind": "Kind",
    "match": "If",
    "path": "Route",
    "dead": "Dead letters go to",
    "payload": "Payload",
}


def install(labs: Labs) -> None:
    """Add the page."""

    @ui.page("/events/{component}/{name}")
    async def page(component: str, name: str) -> None:
        allowed = await publishers(labs, component, name)
        with frame(f"Topic {name}", "/events"):
            live(labs, 10, lambda: _topic(labs, component, name), _draw)
            heading("Publish an event")
            form(labs, component, name, allowed)
            heading("Latest events")
            ui.label(f"The latest {streams.LATEST} that Redis keeps, newest first.").classes("q-mb-sm")
            _events(labs, name)


async def _topic(labs: Labs, component: str, name: str) -> Topic | None:
    brokers = [one for one in await components.read("pubsub.") if one.name == component]
    found, _ = await topics.subscriptions(labs)
    known = topics.topics(brokers, found, [app.app_id for app in labs.apps])
    return next((topic for topic in known if topic.name == name), None)


def _draw(topic: Topic | None) -> None:
    if topic is None:
        ui.label("No component or subscription names this topic.")
        return
    if topic.dead_letters_of:
        ui.label(f"Dead letters of {', '.join(topic.dead_letters_of)} are published here.").classes("q-mb-sm")
    heading("Subscriptions")
    if topic.subscriptions:
        rows = [row for one in topic.subscriptions for row in rows_of(one)]
        table("Subscriptions", SUBSCRIPTION_COLUMNS, rows, key="key")
    else:
        ui.label("No running app subscribes to it.").classes("q-mb-md")


def rows_of(subscription: Subscription) -> list[dict[str, Any]]:
    """Return a row for each rule of a subscription."""
    return [
        {
            "key": f"{subscription.app_id}/{number}",
            "app": subscription.app_id,
            "kind": subscription.kind.lower(),
            "match": match or "any other event" if len(subscription.rules) > 1 else match or "any event",
            "path": path if subscription.kind != "STREAMING" else "a stream that the app opened",
            "dead": subscription.dead_letter_topic or "nowhere",
            "payload": "raw" if subscription.is_raw else "CloudEvent",
        }
        for number, (match, path) in enumerate(subscription.rules)
    ]


def _events(labs: Labs, name: str) -> None:
    kept: dict[str, Event] = {}

    def show(found: list[Event]) -> None:
        kept.clear()
        kept.update((event.entry, event) for event in found)
        drawn.rows = [row_of(event) for event in found]

    def show_text(entry: str) -> None:
        if event := kept.get(entry):
            again = partial(envelope_button, labs, event.event) if event.event else None
            text_dialog(f"Event {event.member('id') or entry}", event.text, again)

    drawn = table("Latest events", EVENT_COLUMNS, [], key="entry", links={"trace": "url"})
    # The text of an event is sent to the page when it is asked for.
    button = """<q-btn flat dense no-caps padding="0 xs" label="Show" :aria-label="'Show event ' + props.row.id"
        @click="() => $parent.$emit('show', props.row.entry)" />"""
    drawn.add_slot("body-cell-show", f'<q-td :props="props">{button}</q-td>')
    drawn.on("show", lambda event: show_text(str(event.args)))
    watch(labs, SECONDS, lambda: streams.latest(labs.redis, name), show)


def row_of(event: Event) -> dict[str, Any]:
    """Return an event as a row."""
    return {
        "entry": event.entry,
        "published": clock(event.published),
        "type": event.member("type") if event.event else "no CloudEvent",
        "source": event.member("source"),
        "subject": event.member("subject"),
        "id": event.member("id") or event.entry,
        "trace": event.trace_id[:8],
        "url": f"/traces/{event.trace_id}",
        "size": f"{event.size:,} bytes",
    }
