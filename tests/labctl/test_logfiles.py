"""The logs that the Dapr CLI leaves in a service's folder, which all sites share: what is deleted, what is followed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from labctl import logfiles, runfile, site
from labctl.runfile import App
from labctl.site import Site

RUN_FILE = """\
version: 1
apps:
  - appID: callee-app
    appDirPath: callee_service
    appPort: 8001
    daprHTTPPort: 3501
    daprGRPCPort: 4501
    daprInternalGRPCPort: 5501
    metricsPort: 6501
    command: ["true"]
    env: {LAB: invocation}
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    """callee-app in a checkout of its own."""
    (tmp_path / "dapr.yaml").write_text(RUN_FILE)
    (tmp_path / "callee_service" / ".dapr" / "logs").mkdir(parents=True)
    monkeypatch.setattr(site, "HOME", tmp_path / ".lab")
    return runfile.find(runfile.read_apps(Site(), tmp_path / "dapr.yaml"), "callee-app")


def write_log(app: App, second: int, text: str = "") -> Path:
    """A log as the CLI names it, last written to at that second."""
    path = app.folder / ".dapr" / "logs" / f"callee-app_app_20260101{second:06}.log"
    path.write_text(text)
    os.utime(path, (second, second))
    return path


def test_the_log_of_a_quiet_app_outlives_many_starts_of_other_sites(app: App):
    quiet = write_log(app, 1)
    left_over = write_log(app, 2)
    command = ["dapr", "-c", 'exec 3>>"$0"; echo open; read -r _', str(quiet)]
    with subprocess.Popen(
        command, executable="/bin/sh", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as cli:
        assert cli.stdout is not None
        assert cli.stdout.readline() == "open\n"
        newer = [write_log(app, second) for second in range(10, 60)]

        logfiles.prune([app])

        assert quiet.exists()
        assert not left_over.exists()
        assert [path for path in newer if path.exists()] == newer[-40:]
        cli.communicate("end\n", timeout=5)

    logfiles.prune([app])
    assert not quiet.exists()
