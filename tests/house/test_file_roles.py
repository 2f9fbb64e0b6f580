"""Every service folder has the same form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.repository import below, manifests, services

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
]


@pytest.mark.parametrize("folder", services(), ids=str)
def test_a_service_has_the_fixed_files(folder: Path) -> None:
    mine = {path.relative_to(folder).as_posix() for path in below(folder)}
    assert [role for role in ROLES if role not in mine] == []
    assert [path for path in mine if re.fullmatch(r"tests/test_\w+\.py", path)]
    assert [path for path in mine if re.fullmatch(r"kubernetes/[\w-]+\.yaml", path)]


@pytest.mark.parametrize("folder", services(), ids=str)
def test_fault_switches_are_for_labs_and_not_for_a_cluster(folder: Path) -> None:
    assert "FAULTS_ENABLED" not in str(manifests(folder))
