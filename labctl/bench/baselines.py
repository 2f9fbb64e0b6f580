"""What the benches compare the labs with: the apps of bench/baselines, beside those of the root run file."""

from __future__ import annotations

from labctl import runfile
from labctl.runfile import App
from labctl.site import ROOT, Site

FOLDER = ROOT / "bench" / "baselines"
RUN_FILE = FOLDER / "dapr.yaml"


def with_baselines(site: Site, lab: str) -> list[App]:
    """A lab's apps, and then its baselines."""
    both = runfile.read_apps(site), runfile.read_apps(site, RUN_FILE)
    return [app for apps in both for app in runfile.select(apps, [lab])]
