"""Every service folder has the same form."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import Any

import pytest

from tests.house.repository import apps, below, manifests, plan, services, text

# Patterns of their paths.
ROLES = [
    "main.py",
    "settings.py",
    "README.md",
    "Dockerfile",
    ".dockerignore",
    "openapi.json",
    "pyproject.toml",
    "requirements.txt",
    "requirements-dev.txt",
    "tests/test_*.py",
    "kubernetes/*.yaml",
]


@pytest.mark.parametrize("folder", services(), ids=str)
def test_a_service_has_the_fixed_files(folder: Path) -> None:
    mine = [path.relative_to(folder).as_posix() for path in below(folder)]
    missing = [role for role in ROLES if not fnmatch.filter(mine, role)]
    assert not missing, (
        f"{folder} lacks {', '.join(missing)}: see CONTRIBUTING.md, or copy them from what ./lab new writes"
    )


@pytest.mark.parametrize("folder", services(), ids=str)
def test_a_service_has_the_routes_that_it_is_watched_by(folder: Path) -> None:
    paths = json.loads(text(folder / "openapi.json"))["paths"]
    assert {"/healthz", "/readyz"} <= set(paths), f"{folder}/openapi.json lacks one: kit.edge.service.build adds both"


@pytest.mark.parametrize("app", apps(), ids=lambda app: app["appID"])
def test_an_app_is_in_the_port_table(app: dict[str, Any]) -> None:
    row = "| {appDirPath} | `{appID}` | {env[LAB]} | {appPort} | {daprHTTPPort} |".format_map(app).replace("./", "")
    assert app["appID"] in {one.app_id for one in plan()}, f"Add this row to the port table of README.md: {row}"


@pytest.mark.parametrize("folder", services(), ids=str)
def test_fault_switches_are_for_labs_and_not_for_a_cluster(folder: Path) -> None:
    assert "FAULTS_ENABLED" not in str(manifests(folder))
