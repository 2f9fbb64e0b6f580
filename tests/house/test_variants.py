"""The components on other brokers and stores: for an app the same names, scopes and topics as in components/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from labctl.stack import BROKER_PORTS
from tests.house.repository import ROOT, files

VARIANTS = sorted({path.parts[1] for path in files() if path.parts[0] == "variants" and len(path.parts) == 3})
ALL = [path for path in files() if path.parts[0] == "variants" and path.suffix == ".yaml"]
FILES = [path for path in ALL if "resiliency" not in path.name]
# Dapr has no other lock, and its settings in PostgreSQL need a table and a trigger that are made by hand.
STAY_ON_REDIS = {"lock.redis", "configuration.redis"}
# Settings by which a program is reached, or which only its own component type has.
OF_REDIS = {
    *("redisHost", "redisPassword"),
    *("processingTimeout", "redeliverInterval", "streamTTL", "concurrency", "queueDepth"),
}
TYPES = {"kafka": "pubsub.kafka", "rabbitmq": "pubsub.rabbitmq", "postgres": "state.postgresql"}


def component(path: Path) -> dict[str, Any]:
    """Return the component of a file."""
    (document,) = yaml.safe_load_all((ROOT / path).read_text())
    return document


def on_redis() -> dict[str, dict[str, Any]]:
    """Return the components that a variant replaces, by the name of their file."""
    paths = [path for path in files() if path.parts[0] == "components" and path.suffix == ".yaml"]
    found = [(path, one) for path in paths for one in yaml.safe_load_all((ROOT / path).read_text())]
    redis = {path.name: one for path, one in found if one.get("spec", {}).get("type", "").endswith(".redis")}
    return {name: one for name, one in redis.items() if one["spec"]["type"] not in STAY_ON_REDIS}


def settings(one: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a component by name: a value, or the secret that has it."""
    return {entry["name"]: entry.get("value", entry.get("secretKeyRef")) for entry in one["spec"]["metadata"]}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_replaces_every_broker_and_store_and_nothing_else(variant: str) -> None:
    assert {path.name for path in FILES if path.parts[1] == variant} == set(on_redis())


@pytest.mark.parametrize("path", FILES, ids=str)
def test_an_app_sees_the_same_component(path: Path) -> None:
    mine, theirs = component(path), on_redis()[path.name]
    assert {key: mine[key] for key in mine if key != "spec"} == {key: theirs[key] for key in theirs if key != "spec"}
    assert mine["spec"]["type"].split(".")[0] == theirs["spec"]["type"].split(".")[0]
    kept = {name: value for name, value in settings(theirs).items() if name not in OF_REDIS}
    assert kept.items() <= settings(mine).items()


@pytest.mark.parametrize("path", [path for path in ALL if path not in FILES], ids=str)
def test_only_the_retries_of_events_differ(path: Path) -> None:
    mine, theirs = component(path), component(Path("components") / path.name)
    assert mine["spec"]["policies"]["retries"].pop("eventRetry") != theirs["spec"]["policies"]["retries"].pop(
        "eventRetry"
    )
    assert mine == theirs


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_name_of_a_variant_lists_the_programs_that_it_uses(variant: str) -> None:
    mine = [component(path)["spec"] for path in FILES if path.parts[1] == variant]
    assert {one["type"] for one in mine} == {TYPES[name] for name in variant.split("-")}
    for name in variant.split("-"):
        addresses = [str(settings({"spec": one})) for one in mine if one["type"] == TYPES[name]]
        assert [one for one in addresses if f"localhost:{BROKER_PORTS[name][name]}" not in one] == []


def test_the_stores_of_all_variants_are_the_same() -> None:
    texts: dict[str, set[str]] = {}
    for path in FILES:
        if component(path)["spec"]["type"] == TYPES["postgres"]:
            texts.setdefault(path.name, set()).add((ROOT / path).read_text())
    assert {name: len(found) for name, found in texts.items() if len(found) > 1} == {}
    assert texts


def test_each_store_has_its_own_tables() -> None:
    stores = {path.stem: settings(component(path)) for path in FILES}
    assert {name: one["tablePrefix"] for name, one in stores.items() if "tablePrefix" in one} == {
        name: f"{name}_" for name, one in stores.items() if "tablePrefix" in one
    }
