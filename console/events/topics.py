"""Topics, with their publishers by the scopes of the components, and their subscribers by the sidecars' metadata."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from console.components import TOPIC_SCOPES, Component, words_of
from console.labs import Labs
from labctl.runfile import App


@dataclass(frozen=True)
class Subscription:
    """What one app reads of a topic, and where its sidecar delivers it.

    rules: the route for each condition, in their order. kind: DECLARATIVE, PROGRAMMATIC or STREAMING.
    """

    app_id: str
    component: str
    topic: str
    rules: tuple[tuple[str, str], ...]
    dead_letter_topic: str
    kind: str
    is_raw: bool


@dataclass(frozen=True)
class Topic:
    """A topic of a broker component.

    publishers: the apps that may publish to it. dead_letters_of: the topics whose dead letters are published here.
    """

    component: str
    name: str
    publishers: tuple[str, ...]
    subscriptions: tuple[Subscription, ...]
    dead_letters_of: tuple[str, ...]


async def subscriptions(labs: Labs) -> tuple[list[Subscription], list[App]]:
    """Return the subscriptions that the sidecars report, and the apps whose sidecar does not answer."""

    async def ask(app: App) -> list[Subscription] | None:
        try:
            metadata = await labs.metadata(app)
        except httpx.HTTPError:
            return None
        return [of_metadata(app.app_id, entry) for entry in metadata.get("subscriptions") or ()]

    answers = await asyncio.gather(*(ask(app) for app in labs.apps))
    silent = [app for app, answer in zip(labs.apps, answers, strict=True) if answer is None]
    return [one for answer in answers for one in answer or ()], silent


def of_metadata(app_id: str, entry: dict[str, Any]) -> Subscription:
    """Return a subscription as a sidecar's metadata has it."""
    metadata: dict[str, str] = entry.get("metadata") or {}
    rules = tuple((rule.get("match", ""), rule.get("path", "")) for rule in entry.get("rules") or ())
    return Subscription(
        app_id=app_id,
        component=entry["pubsubname"],
        topic=entry["topic"],
        rules=rules,
        dead_letter_topic=entry.get("deadLetterTopic") or "",
        kind=entry.get("type") or "",
        is_raw=metadata.get("rawPayload") == "true",
    )


def topics(components: Sequence[Component], found: Iterable[Subscription], app_ids: Sequence[str]) -> list[Topic]:
    """Return the topics of these brokers: those that a scope names, and those that an app subscribes to."""
    read = list(found)
    result: list[Topic] = []
    for component in components:
        scopes = [component.topic_scopes(name) for name in TOPIC_SCOPES]
        names = {topic for scope in scopes for named in scope.values() for topic in named}
        names |= {one.topic for one in read if one.component == component.name}
        names |= {one.dead_letter_topic for one in read if one.component == component.name and one.dead_letter_topic}
        for name in sorted(names):
            mine = tuple(one for one in read if (one.component, one.topic) == (component.name, name))
            dead = {one.topic for one in read if (one.component, one.dead_letter_topic) == (component.name, name)}
            publishers = tuple(app_id for app_id in app_ids if may_publish(component, app_id, name))
            result.append(Topic(component.name, name, publishers, mine, tuple(sorted(dead))))
    return result


def may_publish(component: Component, app_id: str, topic: str) -> bool:
    """Return whether the scopes of a broker let an app publish to a topic, by Dapr's rules.

    An app that `publishingScopes` does not name may publish to each topic that is not protected.
    """
    if not component.is_seen_by(app_id):
        return False
    allowed = words_of(component.settings.get("allowedTopics", ""))
    if allowed and topic not in allowed:
        return False
    scopes = component.topic_scopes("publishingScopes")
    if app_id in scopes:
        return topic in scopes[app_id]
    return topic not in words_of(component.settings.get("protectedTopics", ""))
