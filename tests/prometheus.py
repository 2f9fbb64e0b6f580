"""Prometheus and its promtool, and what the files in observability/ ask of them."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import Any

import pytest
import yaml

from labctl.stack import HOME, ROOT

FOLDER = ROOT / "observability"
# .ci/run unpacks Debian's package there. Installed, it would start a server.
UNPACKED = HOME / "prometheus" / "usr" / "bin"
MISSING = f"{{}} is missing: install Prometheus, or unpack Debian's package into {UNPACKED.parent.parent}"
_SELECTOR = re.compile(r"\b((?:dapr|process)_\w+|up)\b(\{[^}]*\})?")


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`. Without it the test is skipped, or fails in CI."""
    found = shutil.which(name) or shutil.which(UNPACKED / name)
    if found is None and os.environ.get("CI"):
        pytest.fail(MISSING.format(name))
    if found is None:
        pytest.skip(MISSING.format(name))
    return found


def alerts() -> list[dict[str, Any]]:
    """Return the alert rules."""
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard, without the headings between them."""
    every = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    return [panel for panel in every if panel["type"] != "row"]


def plain(expression: str) -> str:
    """Return an expression of the dashboard with values for the variables that Grafana sets: all apps, one minute."""
    return expression.replace("$__rate_interval", "1m").replace("$app", ".*")


def selectors(expression: str) -> set[str]:
    """Return what an expression selects: the name of each metric with its labels, without functions and times."""
    return {f"{name}{labels}" for name, labels in _SELECTOR.findall(expression)}
