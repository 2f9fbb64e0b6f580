"""The components of the labs, from components/*.yaml: for apps that do not run, and for the names of brokers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl import runfile

FOLDER = runfile.RUN_FILE.parent / "components"
TOPIC_SCOPES = ("publishingScopes", "subscriptionScopes")


@dataclass(frozen=True)
class Component:
    """A store, a broker, a binding and so on. scopes: the apps that see it; empty means all. topics: by app."""

    name: str
    type: str
    scopes: tuple[str, ...]
    topics: tuple[tuple[str, str], ...] = ()

    def is_seen_by(self, app_id: str) -> bool:
        """Return whether this app sees it."""
        return not self.scopes or app_id in self.scopes


def read(folder: Path = FOLDER) -> list[Component]:
    """Return the components of a folder, by name. No value of their metadata but the topics is read."""
    documents = [one for file in sorted(folder.glob("*.yaml")) for one in runfile.read_yaml(file)]
    return [_component(one) for one in documents if one and one.get("kind") == "Component"]


def _component(document: dict[str, Any]) -> Component:
    metadata: list[dict[str, Any]] = document["spec"].get("metadata") or []
    values = [str(entry.get("value", "")) for entry in metadata if entry.get("name") in TOPIC_SCOPES]
    scopes = tuple(document.get("scopes") or ())
    return Component(document["metadata"]["name"], document["spec"]["type"], scopes, tuple(_topics(values)))


def _topics(values: Iterable[str]) -> Iterable[tuple[str, str]]:
    for entry in ";".join(values).split(";"):
        app_id, _, topics = entry.partition("=")
        yield from ((app_id.strip(), topic.strip()) for topic in topics.split(",") if topic.strip())


def broker_of(components: Iterable[Component], app_id: str, topic: str) -> str:
    """Return the broker by which an app uses a topic: a span has only the topic. "a broker" if that is not known."""
    brokers = [one for one in components if one.type.startswith("pubsub.") and one.is_seen_by(app_id)]
    named = [one for one in brokers if (app_id, topic) in one.topics]
    return next((one.name for one in [*named, *brokers]), "a broker")
