"""The apps that the benches compare the labs with: those of bench/baselines, beside the ones of the root run file."""

from __future__ import annotations

from labctl import runfile
from labctl.runfile import App
from labctl.stack import ROOT, Stack

FOLDER = ROOT / "bench" / "baselines"
RUN_FILE = FOLDER / "dapr.yaml"


def with_baselines(stack: Stack, lab: str) -> list[App]:
    """Return a lab's apps, followed by its baselines."""
    both = runfile.read_apps(stack), runfile.read_apps(stack, RUN_FILE)
    return [app for apps in both for app in runfile.select(apps, [lab])]
