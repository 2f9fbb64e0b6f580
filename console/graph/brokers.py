"""Which broker carries an event: a span has only its topic."""

from __future__ import annotations

from collections.abc import Iterable

from console.components import Component

TOPIC_SCOPES = ("publishingScopes", "subscriptionScopes")
UNKNOWN = "a broker"


def broker_of(components: Iterable[Component], app_id: str, topic: str) -> str:
    """Return the broker by which an app uses a topic, UNKNOWN if there is none."""
    brokers = [one for one in components if one.type.startswith("pubsub.") and one.is_seen_by(app_id)]
    named = [one for one in brokers if topic in _topics(one, app_id)]
    return next((one.name for one in [*named, *brokers]), UNKNOWN)


def _topics(broker: Component, app_id: str) -> set[str]:
    """Return the topics for which an app is named: `app=topic,topic;other-app=topic`."""
    entries = ";".join(broker.settings.get(name, "") for name in TOPIC_SCOPES).split(";")
    parts = [entry.partition("=") for entry in entries]
    return {topic.strip() for app, _, topics in parts if app.strip() == app_id for topic in topics.split(",")}
