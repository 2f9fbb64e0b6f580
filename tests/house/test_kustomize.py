"""The lists and patches of kustomize are complete, and fit their objects. tests/kubernetes applies them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from labctl.runfile import NO_HEALTH_CHECK_ON_KAFKA
from tests.house.repository import ROOT, below, named, services

# Not named kustomization.yaml where a sidecar would read a file that ends with .yaml.
LISTS = named("kustomization.yaml", "Kustomization")
COMPOSE = "compose.yaml"  # a Configuration for docker compose only
OVERLAYS = Path("kubernetes/overlays")
VARIANT = Path("variants/kafka-postgres")  # that of `production`


def read(path: Path) -> list[dict[str, Any]]:
    """Return the YAML documents of a file, or those of all files below a folder, without lists of patches."""
    found = [one for one in below(path) if one.suffix == ".yaml" or one == path]
    documents = [one for file in found for one in yaml.safe_load_all((ROOT / file).read_text())]
    return [one for one in documents if isinstance(one, dict)]


def listed(path: Path) -> set[str]:
    """Return the files and folders that a list names."""
    (document,) = read(path)
    patches = [patch["path"] for patch in document.get("patches", ()) if "path" in patch]
    return {*document.get("resources", ()), *document.get("components", ()), *patches}


def beside(path: Path) -> set[str]:
    """Return the YAML files in a list's folder, without those below another list."""
    nested = [one.parent for one in LISTS if one.parent.is_relative_to(path.parent) and one != path]
    files = [one for one in named("*.yaml") if one.is_relative_to(path.parent) and one != path]
    mine = [one for one in files if not any(one.is_relative_to(folder) for folder in nested)]
    return {one.relative_to(path.parent).as_posix() for one in mine}


def patches(folder: Path, kind: str) -> dict[str, Any]:
    """Return the patches that a folder has for a kind, each by the expression for the names of its objects."""
    (document,) = read(folder / "kustomization.yaml")
    inline = [one for one in document["patches"] if one["target"]["kind"] == kind and "patch" in one]
    return {one["target"].get("name", ".*"): yaml.safe_load(one["patch"]) for one in inline}


@pytest.mark.parametrize("path", LISTS, ids=str)
def test_a_list_names_the_files_beside_it(path: Path) -> None:
    assert beside(path) - {COMPOSE} <= listed(path)
    assert [one for one in listed(path) if not (ROOT / path.parent / one).exists()] == []


def test_the_base_has_every_service() -> None:
    folders = {f"../../{folder}/kubernetes" for folder in services()}
    assert folders <= listed(Path("kubernetes/base/kustomization.yaml"))


@pytest.mark.parametrize(("overlay", "components"), [("local", Path("components")), ("production", VARIANT)])
def test_task_api_may_publish_to_its_outbox_whose_name_begins_with_the_namespace(
    overlay: str, components: Path
) -> None:
    (namespace,) = [one["namespace"] for one in read(OVERLAYS / overlay / "kustomization.yaml")]
    (component,) = read(components / "taskpubsub.yaml")
    test, replacement = patches(OVERLAYS / overlay, "Component")["taskpubsub"]
    index = test["path"].split("/")[3]
    assert test == {"op": "test", "path": f"/spec/metadata/{index}/name", "value": "publishingScopes"}
    setting = component["spec"]["metadata"][int(index)]
    assert setting["name"] == "publishingScopes"
    value = setting["value"].replace(",defaulttask-api", f",{namespace}task-api")
    assert value != setting["value"]
    assert replacement == {"op": "replace", "path": f"/spec/metadata/{index}/value", "value": value}


def test_production_has_each_resource_of_the_variant_in_place_of_the_one_on_redis() -> None:
    folder = OVERLAYS / "production" / "unchanged"
    for kind in ("Component", "Resiliency"):
        on_redis, on_kafka = (
            {one["metadata"]["name"] for one in read(of) if one["kind"] == kind} for of in (Path("components"), VARIANT)
        )
        deleted = [name for name, patch in patches(folder, kind).items() if patch["$patch"] == "delete"]
        assert {one for one in on_redis if re.fullmatch("|".join(deleted), one)} == on_kafka


def test_production_asks_no_app_for_its_health_of_which_kafka_would_lose_the_events() -> None:
    annotation = "/spec/template/metadata/annotations/dapr.io~1enable-app-health-check"
    patch = patches(OVERLAYS / "production", "Deployment")["|".join(NO_HEALTH_CHECK_ON_KAFKA)]
    assert {"op": "remove", "path": annotation} in patch


def test_a_network_policy_has_the_ports_of_a_sidecar_as_numbers() -> None:
    """A sidecar is an init container, and some network plugins look for named ports in the others only."""
    policies = [one for one in read(Path("kubernetes")) if one.get("kind") == "NetworkPolicy"]
    rules = [rule for one in policies for rule in one["spec"].get("ingress", ())]
    ports = {port["port"] for rule in rules for port in rule["ports"]}
    assert {50002, 9090} <= ports
    assert [port for port in ports if str(port).startswith("dapr-")] == []


def test_no_sidecar_exports_spans_as_long_as_nothing_takes_them() -> None:
    folder = Path("kubernetes/base/configurations")
    address = {"op": "replace", "path": "/spec/tracing/zipkin/endpointAddress", "value": ""}
    assert patches(folder, "Configuration")["labs"] == [address]
