"""A service that was written by hand, with parts missing: each is named."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from labctl import runfile
from labctl.errors import LabError
from labctl.stack import Stack
from labctl.up import readiness
from labctl.up.processes import Found
from tests.docs import checkout
from tests.serving import serving

ENTRY = """
  - appID: bare
    appDirPath: ./bare_service
    appPort: 8040
    daprHTTPPort: 3540
    daprGRPCPort: 4540
    daprInternalGRPCPort: 5540
    metricsPort: 6540
    command: [".venv/bin/python", "main.py"]
    env: {LAB: bare}
"""


class WithoutReadyz(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_an_app_without_readyz_is_named_at_once() -> None:
    app = runfile.find(runfile.read_apps(Stack()), "callee-app")
    server = ThreadingHTTPServer(("127.0.0.1", 0), WithoutReadyz)
    with serving(server), pytest.raises(LabError, match="callee-app has no route GET /readyz"):
        readiness.refuse_without_readyz(replace(app, app_port=server.server_port))


def test_an_app_on_another_port_is_refused_when_it_has_listened_there_for_some_seconds() -> None:
    app = runfile.find(runfile.read_apps(Stack()), "callee-app")
    found = [Found("app", app.app_id, psutil.Process(), app.app_port)]
    heard: dict[str, float] = {}
    with socket.create_server(("127.0.0.1", 0)) as other:
        readiness.refuse_other_port(app, found, heard)
        port = other.getsockname()[1]
        replica = [replace(found[0], port=port)]
        readiness.refuse_other_port(replace(app, app_port=port), replica, heard)
        assert heard == {}, "its own port came later"
        readiness.refuse_other_port(app, replica, heard)
        assert heard == {}, "a replica has another port"
        readiness.refuse_other_port(app, found, heard)
        heard[app.app_id] -= readiness.OTHER_PORT_FOR
        with pytest.raises(LabError, match="its appPort is 8001 in dapr"):
            readiness.refuse_other_port(app, found, heard)


def test_lint_names_missing_files_and_rows(tmp_path: Path) -> None:
    copy = checkout.copy(tmp_path / "labs")
    (copy / "dapr.yaml").write_text((copy / "dapr.yaml").read_text() + ENTRY)
    (copy / "bare_service").mkdir()
    (copy / "bare_service" / "main.py").write_text("print(1)\n")
    rules = ["tests/house/test_file_roles.py", "tests/house/test_ports.py", "tests/house/test_reading.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-k", "bare", *rules]
    environment = checkout.environment(copy)
    said = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False).stdout
    assert "bare_service lacks settings.py, README.md, Dockerfile, " in said
    assert "requirements-dev.txt, tests/test_*.py, kubernetes/*.yaml: see CONTRIBUTING.md" in said
    assert "Add this row to the port table of README.md: | bare_service | `bare` | bare | 8040 | 3540 |" in said
    assert "KeyError" not in said
