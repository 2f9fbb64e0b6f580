"""State stores: which app keeps its values in which one, and which of them are encrypted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from console.components import Component

ENCRYPTION = "primaryEncryptionKey"


@dataclass(frozen=True)
class Store:
    """A state store. apps: those that may use it. key_name: the secret that its values are encrypted with, or empty.

    owners: what Dapr puts before a key and `||`: by its keyPrefix the id of the app, or one word for all apps.
    """

    name: str
    type: str
    apps: tuple[str, ...]
    key_name: str
    owners: tuple[str, ...]
    is_for_actors: bool


def stores(components: Iterable[Component], app_ids: Sequence[str]) -> list[Store]:
    """Return the state stores among these components."""
    return [_store(one, app_ids) for one in components if one.type.startswith("state.")]


def _store(component: Component, app_ids: Sequence[str]) -> Store:
    apps = tuple(app_id for app_id in app_ids if component.is_seen_by(app_id))
    is_for_actors = component.settings.get("actorStateStore") == "true"
    # Keys of actors begin with the app's id, with any keyPrefix.
    prefix = "appid" if is_for_actors else component.settings.get("keyPrefix", "appid")
    owners = {"appid": apps, "name": (component.name,), "none": ()}
    return Store(
        name=component.name,
        type=component.type,
        apps=apps,
        key_name=component.secrets.get(ENCRYPTION, ""),
        owners=owners.get(prefix, (prefix,)),
        is_for_actors=is_for_actors,
    )
