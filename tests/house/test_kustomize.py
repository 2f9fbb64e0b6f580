"""What kustomize puts together: the lists are complete. tests/kubernetes applies them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.repository import ROOT, named, services

# Not named kustomization.yaml where a sidecar would read a file that ends with .yaml.
LISTS = named("kustomization.yaml", "Kustomization")
COMPOSE = "compose.yaml"  # a Configuration for docker compose only


def listed(path: Path) -> set[str]:
    """Return the files and folders that a list names."""
    document: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    patches = [patch["path"] for patch in document.get("patches", ()) if "path" in patch]
    return {*document.get("resources", ()), *document.get("components", ()), *patches}


def beside(path: Path) -> set[str]:
    """Return the YAML files in a list's folder, without those below another list."""
    nested = [one.parent for one in LISTS if one.parent.is_relative_to(path.parent) and one != path]
    files = [one for one in named("*.yaml") if one.is_relative_to(path.parent) and one != path]
    mine = [one for one in files if not any(one.is_relative_to(folder) for folder in nested)]
    return {one.relative_to(path.parent).as_posix() for one in mine}


@pytest.mark.parametrize("path", LISTS, ids=str)
def test_a_list_names_the_files_beside_it(path: Path) -> None:
    assert beside(path) - {COMPOSE} <= listed(path)
    assert [one for one in listed(path) if not (ROOT / path.parent / one).exists()] == []


def test_the_base_has_every_service() -> None:
    folders = {f"../../{folder}/kubernetes" for folder in services()}
    assert folders <= listed(Path("kubernetes/base/kustomization.yaml"))
