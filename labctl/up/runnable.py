"""Refuse files that no process could start from, before anything starts: dapr.yaml, components/, a missing lock."""

from __future__ import annotations

from collections.abc import Sequence

from labctl import runfile
from labctl.errors import LabError
from labctl.runfile import App
from labctl.stack import ROOT, Stack

_LAST_PORT = 65535


def refuse(stack: Stack, apps: Sequence[App]) -> None:
    """Raise LabError for a wrong port of these apps, a file that is no YAML, or an app that has no Python."""
    _refuse_ports(stack, apps)
    for folder in ("components", "config"):
        for file in sorted((ROOT / folder).glob("*.yaml")):
            runfile.read_yaml(file)
    for app in apps:
        needs = ".venv/" in " ".join(app.entry.get("command", []))
        lock = app.folder / "requirements-dev.txt"
        if needs and not lock.exists() and not (app.folder / ".venv" / "bin" / "python").exists():
            name = runfile.short(lock)
            advice = f"Restore it: git restore {name}, or make it as CONTRIBUTING.md says."
            raise LabError(f"{app.app_id} has no .venv, because {name} is missing. {advice}")


def _refuse_ports(stack: Stack, apps: Sequence[App]) -> None:
    holders = {port: name for name, port in stack.ports.items()}
    for app in apps:
        for label, port in app.ports.items():
            written = port - stack.offset
            if not 0 < port <= _LAST_PORT:
                raise LabError(f"Mend dapr.yaml and run this again. {app.app_id} has the {label} port {written}.")
            if port in holders:
                both = f"{holders[port]} and {app.app_id} ({label})"
                raise LabError(f"Mend dapr.yaml and run this again. Port {written} belongs to both {both}.")
            holders[port] = f"{app.app_id} ({label})"
