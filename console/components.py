"""The components that the sidecars load: name, type, scopes and settings, without any secret value."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from labctl import runfile

TOPIC_SCOPES = ("publishingScopes", "subscriptionScopes")  # settings of a broker
FOLDER = runfile.RUN_FILE.parent / "components"


@dataclass(frozen=True)
class Component:
    """A file of components/. scopes: the apps that see it; none means all.

    settings: its metadata as text, but no password. secrets: the secret's name for each metadata entry that is one.
    """

    name: str
    type: str
    scopes: tuple[str, ...]
    settings: dict[str, str]
    secrets: dict[str, str]

    def is_seen_by(self, app_id: str) -> bool:
        """Return whether this app's sidecar loads it."""
        return not self.scopes or app_id in self.scopes

    def topic_scopes(self, setting: str) -> dict[str, list[str]]:
        """Return the topics of each app that a setting names, such as publishingScopes: `app=topic,topic;app=`."""
        entries = [entry.partition("=") for entry in self.settings.get(setting, "").split(";")]
        return {app_id.strip(): words_of(topics) for app_id, _, topics in entries if app_id.strip()}


def words_of(text: str) -> list[str]:
    """Return the entries of a list that has commas between them."""
    return [word.strip() for word in text.split(",") if word.strip()]


async def read(kind: str = "") -> list[Component]:
    """Return the components whose type starts with `kind`, by name. Raise LabError for a file that is no YAML."""
    return [one for one in await asyncio.to_thread(_read_all) if one.type.startswith(kind)]


def _read_all() -> list[Component]:
    files = sorted(FOLDER.glob("*.yaml"))
    found = [one for file in files for one in _read_file(file, file.stat().st_mtime_ns)]
    return sorted(found, key=lambda one: one.name)


@lru_cache(maxsize=256)
def _read_file(file: Path, _: int) -> list[Component]:
    """Return the components of a file. Its time of change is an argument, so that a changed file is read again."""
    documents = runfile.read_yaml(file)
    return [of_document(document) for document in documents if document and document.get("kind") == "Component"]


def of_document(document: dict[str, Any]) -> Component:
    """Return the component of a YAML document."""
    entries: list[dict[str, Any]] = document["spec"].get("metadata") or []
    return Component(
        name=document["metadata"]["name"],
        type=document["spec"]["type"],
        scopes=tuple(document.get("scopes") or ()),
        settings={
            entry["name"]: str(entry["value"])
            for entry in entries
            if "value" in entry and "password" not in entry["name"].lower()
        },
        secrets={entry["name"]: entry["secretKeyRef"]["name"] for entry in entries if "secretKeyRef" in entry},
    )
