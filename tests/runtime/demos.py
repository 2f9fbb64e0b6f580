"""./lab demo, run as a user runs it, on a site of the tests."""

from __future__ import annotations

import os
import subprocess

from labctl.site import ROOT


def demo(site: str, offset: int, lab: str) -> subprocess.CompletedProcess[str]:
    """Plays the lab's story to its end; off a terminal, so each line is there once."""
    environment = os.environ | {"LAB_SITE_NAME": site, "LAB_PORT_OFFSET": str(offset), "COLUMNS": "160"}
    command = [str(ROOT / "lab"), "demo", lab]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
