"""A process that ended is noticed by the first look, and a file from which none could start before anything starts."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from labctl import runfile
from labctl.errors import LabError
from labctl.stack import Stack
from labctl.up import readiness, runnable
from labctl.up.alive import Started

STACK = Stack("alive", 10000)
APP = runfile.find(runfile.read_apps(STACK), "callee-app")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def cli(folder: Path, script: str, *, is_cli: bool = True) -> Iterator[Started]:
    """Start a process in place of the Dapr CLI: this script."""
    log = folder / "dapr-run.log"
    with log.open("wb") as output, subprocess.Popen(
        ["/bin/sh", "-c", script], cwd=folder, stdin=subprocess.PIPE, stdout=output, stderr=output
    ) as process:  # fmt: skip
        yield Started(STACK, [APP], process, log, 0, is_cli)
        process.communicate()


@pytest.mark.parametrize("is_cli", [True, False])
def test_a_process_that_ended_before_the_first_look(tmp_path, is_cli):
    said = "❌  Error validating run config for app: invalid configuration for HTTPPort."
    with cli(tmp_path, f"echo '{said}'; exit 1", is_cli=is_cli) as started:
        started.process.wait()
        with pytest.raises(LabError) as error:
            started.check()
    assert str(error.value).splitlines()[1].strip() == said


def test_a_reloader_lives_on_though_its_app_has_ended(tmp_path):
    with cli(tmp_path, "echo 'Process SpawnProcess-1:'; read -r _", is_cli=False) as started:
        while not started.log.read_bytes():
            assert started.process.poll() is None
        with pytest.raises(LabError, match="callee-app ended"):
            started.check()


def test_the_log_of_an_app_that_does_not_listen_has_the_reason(tmp_path):
    """Its sidecar waits for it, and is not healthy either."""
    logs = tmp_path / ".dapr" / "logs"
    logs.mkdir(parents=True)
    for kind in ("app", "daprd"):
        (logs / f"callee-app_{kind}_20260101000000.log").write_text("a line\n")
    app = replace(APP, folder=tmp_path, http_port=free_port(), app_port=free_port())
    with cli(tmp_path, "read -r _") as started, pytest.raises(LabError, match="callee-app was not ready"):
        readiness.wait_ready(replace(started, apps=[app]), time.monotonic(), patience=0.2)


@pytest.mark.parametrize(
    ("log", "line", "sentence"),
    [
        ("callee-app_app", "The App process exited with error code: exit status 1", "callee-app ended. "),
        ("callee-app_app", "Process SpawnProcess-1:", "callee-app ended. "),
        ("callee-app_app", "ERROR:    Application startup failed. Exiting.", "callee-app ended. "),
        ("callee-app_app", "Exited App successfully", "callee-app ended. "),
        ("callee-app_app", "Error starting app process: exec: no command", "callee-app ended. "),
        (
            "callee-app_daprd",
            "The daprd process exited with error code: signal: killed",
            "callee-app's sidecar ended. It was killed (",
        ),
        (
            "callee-app_daprd",
            'level=error msg="Could not parse resiliency file resiliency.yaml: x" app_id=y',
            "callee-app's sidecar ignores a file. Mend components/resiliency.yaml and run this again.",
        ),
    ],
)
def test_an_end_that_the_cli_notes_in_a_log(tmp_path, log, line, sentence):
    path = tmp_path / f"{log}_20260101000000.log"
    with cli(tmp_path, f"exec 3>>{path.name}; echo begun; read -r _") as started:
        while b"begun" not in started.log.read_bytes():
            assert started.process.poll() is None
        started.check()
        path.write_text(f"{line}\n")
        with pytest.raises(LabError) as error:
            started.check()
    assert str(error.value).startswith(sentence)
    assert str(error.value).endswith(f"The whole log: {path}")


def test_the_failure_is_named_and_not_the_apps_that_the_cli_stops_for_it(tmp_path):
    ends = {
        "callee-app_daprd": "✅  Exited Dapr successfully",
        "callee-app_app": "❌  The App process exited with error code: signal: terminated",
        "caller-app_app": '❌  Error starting Dapr and app ("caller-app"): exec: no command',
    }
    paths = {name: tmp_path / f"{name}_20260101000000.log" for name in ends}
    opened = " ".join(f"{number}>>{path.name}" for number, path in enumerate(paths.values(), 3))
    with cli(tmp_path, f"exec {opened}; echo begun; read -r _") as started:
        while b"begun" not in started.log.read_bytes():
            assert started.process.poll() is None
        for name, path in paths.items():
            path.write_text(f"{ends[name]}\n")
        with pytest.raises(LabError, match=r"(?s)^caller-app ended\. .*exec: no command"):
            replace(started, apps=[APP, replace(APP, app_id="caller-app")]).check()


@pytest.mark.parametrize(
    ("old", "new", "word"), [("appPort: 8001", "appPort: 80o1", "80o1"), ("- appID", "[appID", "line")]
)
def test_a_dapr_yaml_that_cannot_be_read(tmp_path, old, new, word):
    file = tmp_path / "dapr.yaml"
    file.write_text(runfile.RUN_FILE.read_text().replace(old, new))
    with pytest.raises(LabError, match=f"Mend .*dapr.yaml.*{word}"):
        runfile.read_apps(STACK, file)


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ({"http_port": 99999}, "callee-app has the Dapr HTTP port 89999"),
        (
            {"metrics_port": APP.http_port},
            r"Port 3501 belongs to both callee-app \(Dapr HTTP\) and callee-app \(metrics\)",
        ),
        ({"app_port": STACK.ports["redis"]}, r"Port 6379 belongs to both redis and callee-app \(app\)"),
    ],
)
def test_a_port_that_no_process_could_have(ports, words):
    with pytest.raises(LabError, match=words):
        runnable.refuse(STACK, [replace(APP, **ports)])


def test_the_ports_as_they_are():
    runnable.refuse(STACK, runfile.read_apps(STACK))
