"""The doors of config/secure: closed unless a file opens them, and only for apps, routes and secrets of the plan."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.repository import ROOT, apps, plan
from tests.house.test_scopes import components, metadata

DOORS = sorted((ROOT / "config" / "secure").glob("*.yaml"))
WORKFLOWS = sorted((ROOT / "config" / "secure" / "workflows").glob("*.yaml"))
FOR_ALL = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["spec"]["secrets"]["scopes"]
PLANNED = {row.app_id for row in plan()}


def stores(app_id: str) -> set[str]:
    """Return the secret stores that an app sees."""
    found = [one for one in components() if one["spec"]["type"].startswith("secretstores.")]
    return {one["metadata"]["name"] for one in found if app_id in one["scopes"]}


def test_every_secret_store_is_closed_in_every_mode() -> None:
    assert {scope["storeName"] for scope in FOR_ALL} == {store for app_id in PLANNED for store in stores(app_id)}
    assert [scope["storeName"] for scope in FOR_ALL if scope["defaultAccess"] != "deny"] == []


@pytest.mark.parametrize("path", DOORS, ids=lambda path: path.stem)
def test_a_door_is_closed_but_for_apps_of_the_plan(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    control = document["spec"]["accessControl"]
    policies: list[dict[str, Any]] = control.get("policies", [])
    assert document["metadata"]["name"] == path.stem
    assert path.stem in PLANNED | {"default"}
    assert {one["defaultAction"] for one in (control, *policies)} == {"deny"}
    assert {one["appId"] for one in policies} <= PLANNED - {path.stem}


@pytest.mark.parametrize("app_id", [row.app_id for row in plan()])
def test_an_app_reads_at_most_what_it_reads_in_every_mode(app_id: str) -> None:
    path = ROOT / "config" / "secure" / f"{app_id}.yaml"
    spec: dict[str, Any] = yaml.safe_load(path.read_text())["spec"] if path.exists() else {}
    # A list in the second Configuration replaces that of the first.
    scopes: list[dict[str, Any]] = spec.get("secrets", {}).get("scopes", [])
    assert {scope["storeName"] for scope in scopes} == stores(app_id)
    for scope in scopes:
        most = next(one for one in FOR_ALL if one["storeName"] == scope["storeName"])
        assert scope["defaultAccess"] == "deny"
        assert set(scope.get("allowedSecrets", [])) <= set(most.get("allowedSecrets", []))


@pytest.mark.parametrize("path", [one for one in DOORS if "callee-grpc" not in one.stem], ids=lambda path: path.stem)
def test_an_open_route_is_one_that_the_app_has(path: Path) -> None:
    spec = yaml.safe_load(path.read_text())["spec"]["accessControl"]
    operations = [one for policy in spec.get("policies", []) for one in policy["operations"]]
    for app in (one for one in apps() if one["appID"] == path.stem):
        routes = json.loads((ROOT / app["appDirPath"] / "openapi.json").read_text())["paths"]
        shapes = {re.sub(r"{\w+}", "*", route): {verb.upper() for verb in verbs} for route, verbs in routes.items()}
        assert [one for one in operations if not set(one["httpVerb"]) <= shapes.get(one["name"], set())] == []


def test_every_app_with_workflows_has_a_policy_for_them() -> None:
    policies = [yaml.safe_load(path.read_text()) for path in WORKFLOWS]
    (store,) = (one for one in components() if metadata(one).get("actorStateStore") == "true")
    assert {scope for one in policies for scope in one["scopes"]} == set(store["scopes"])
