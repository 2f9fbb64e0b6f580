"""The fault switches of an app, as its openapi.json has them: the routes below /faults and their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from console.labs import Labs
from labctl.runfile import App

PATH = "/faults"


@dataclass(frozen=True)
class Field:
    """A number that a switch takes."""

    name: str
    label: str
    default: int


@dataclass(frozen=True)
class Switch:
    """A route that sets faults. steps: the values of the part of its path that is a choice; empty without one."""

    path: str
    steps: tuple[str, ...]
    fields: tuple[Field, ...]

    def url(self, step: str) -> str:
        """Return its path for a step."""
        return f"{PATH}/{step}" if self.steps else self.path


async def read(labs: Labs, app: App) -> list[Switch]:
    """Return the switches of an app. Raise httpx.HTTPError when it does not answer."""
    if not app.app_port or app.protocol == "grpc":
        return []
    answer = await labs.app(app, "GET", "/openapi.json")
    return of_openapi(answer.json()) if answer.is_success else []


def of_openapi(document: dict[str, Any]) -> list[Switch]:
    """Return the switches of a description: each PUT of /faults, or of /faults/ and one choice."""
    found: list[Switch] = []
    for path, operations in document.get("paths", {}).items():
        if "put" in operations and (path == PATH or path.startswith(f"{PATH}/{{")):
            steps = [step for one in operations["put"].get("parameters", []) for step in one["schema"].get("enum", [])]
            found.append(Switch(path, tuple(steps), tuple(_fields(document, operations["put"]))))
    return found


def _fields(document: dict[str, Any], operation: dict[str, Any]) -> list[Field]:
    schema: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    if name := schema.get("$ref", "").rpartition("/")[2]:
        schema = document["components"]["schemas"][name]
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    return [
        Field(name, one.get("description", name), int(one.get("default", 0)))
        for name, one in properties.items()
        if one.get("type") == "integer"
    ]
