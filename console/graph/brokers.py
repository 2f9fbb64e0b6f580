"""Which broker carries an event: a span has only its topic."""

from __future__ import annotations

from collections.abc import Iterable

from console.components import TOPIC_SCOPES, Component

UNKNOWN = "a broker"


def broker_of(components: Iterable[Component], app_id: str, topic: str) -> str:
    """Return the broker by which an app uses a topic, UNKNOWN if there is none."""
    brokers = [one for one in components if one.type.startswith("pubsub.") and one.is_seen_by(app_id)]
    named = [one for one in brokers if any(topic in one.topic_scopes(name).get(app_id, ()) for name in TOPIC_SCOPES)]
    return next((one.name for one in [*named, *brokers]), UNKNOWN)
