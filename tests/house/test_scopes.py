"""Which app may see which component: no app two actor stores, no scope for an app that nobody plans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.repository import ROOT, files, plan

RESOURCES = [path for path in files() if path.parts[0] == "components" and path.suffix == ".yaml"]


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the YAML documents of a file."""
    return [document for document in yaml.safe_load_all((ROOT / path).read_text()) if document]


def components() -> list[dict[str, Any]]:
    """Return the components of every file."""
    return [one for path in RESOURCES for one in documents(path) if one["kind"] == "Component"]


def metadata(component: dict[str, Any]) -> dict[str, str]:
    """Return a component's settings by name."""
    return {one["name"]: one.get("value", "") for one in component["spec"].get("metadata", [])}


@pytest.mark.parametrize("path", RESOURCES, ids=str)
def test_a_component_has_a_file_named_by_its_role(path: Path) -> None:
    found = documents(path)
    if any(one["kind"] == "Component" for one in found):
        assert [one["metadata"]["name"] for one in found] == [path.stem]


def test_no_name_is_used_twice() -> None:
    names = [(one["kind"], one["metadata"]["name"]) for path in RESOURCES for one in documents(path)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", RESOURCES, ids=str)
def test_every_resource_says_who_may_see_it_and_names_only_apps_of_the_plan(path: Path) -> None:
    planned = {row.app_id for row in plan()}
    for document in documents(path):
        scopes = document.get("scopes", [])
        assert scopes, f"{document['metadata']['name']} has no scopes: every app would see it"
        assert set(scopes) <= planned


# The apps that may see a component. scheduler-test-py and the pizza apps need only one secret, the key of their state
# store. A component that is not listed begins with the id of its only app, such as hello-pubsub.
SEEN_BY = {
    "actorstore": "chat-service pizza-workflow pizza-kitchen task-api workflow-patterns",
    "statestore": "chat-service agent-memory-service scheduler-test-py",
    "pizzastatestore": "pizza-workflow pizza-order",
    "pizzaledger": "pizza-kitchen pizza-storefront pizza-delivery",
    "pubsub": "chat-service agent-memory-service scheduler-test-py",
    "pizzapubsub": "pizza-workflow pizza-order pizza-storefront pizza-kitchen pizza-delivery",
    "secretstore": "chat-service agent-memory-service scheduler-test-py",
    "pizzasecretstore": "pizza-workflow pizza-order pizza-storefront pizza-kitchen pizza-delivery",
    "envsecretstore": "chat-service agent-memory-service",
    "notificationstore": "notification-service",
    "conversation": "chat-service agent-memory-service task-api",
    "configstore": "task-api",
    "lockstore": "task-api",
    "tasksecretstore": "task-api",
    "email-binding": "task-api",
    "digest-cron": "task-api",
    "attachments": "task-api",
    "webhook": "task-api",
    "crypto": "task-api",
    "taskstore": "task-api",
    "taskpubsub": "task-api notification-service workflow-patterns",
    "patternstore": "workflow-patterns",
}


def test_each_component_is_seen_by_whom_it_is_meant_for() -> None:
    seen = {one["metadata"]["name"]: set(one["scopes"]) for one in components()}
    own = {name: {row.app_id} for row in plan() for name in seen if name.startswith(f"{row.app_id}-")}
    assert seen == own | {name: set(apps.split()) for name, apps in SEEN_BY.items()}


def actor_stores() -> list[dict[str, Any]]:
    """Return the components that are actor stores, those of a new service too."""
    made = (ROOT / "labctl" / "new" / "template" / "components").glob("*.yaml")
    found = [*components(), *(one for path in made for one in yaml.safe_load_all(path.read_text()))]
    stores = [one for one in found if "spec" in one and metadata(one).get("actorStateStore") == "true"]
    assert len(stores) > 1
    return stores


@pytest.mark.parametrize("store", actor_stores(), ids=lambda one: one["metadata"]["name"])
def test_an_actor_store_has_plain_values_only(store: dict[str, Any]) -> None:
    """Otherwise its sidecars log an error each minute (docs/dapr-faults.md)."""
    assert [one for one in store["spec"]["metadata"] if "secretKeyRef" in one or "envRef" in one] == []


def test_no_app_sees_two_actor_stores() -> None:
    stores = actor_stores()
    seen = {row.app_id: {one["metadata"]["name"] for one in stores if row.app_id in one["scopes"]} for row in plan()}
    assert {app_id: names for app_id, names in seen.items() if len(names) > 1} == {}


@pytest.mark.parametrize("component", components(), ids=lambda one: one["metadata"]["name"])
def test_topic_scopes_name_apps_that_see_the_component(component: dict[str, Any]) -> None:
    for setting in ("publishingScopes", "subscriptionScopes"):
        said = metadata(component).get(setting, "")
        named = {entry.split("=")[0].strip() for entry in said.split(";") if entry.strip()}
        assert named <= set(component["scopes"]), setting
