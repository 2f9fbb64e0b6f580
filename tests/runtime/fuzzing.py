"""Requests of all kinds to every service of a lab, made by schemathesis from the contract that the service serves."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.conftest import Running

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)
# The fault switches, which only PUT turns on; and a stream, which never ends.
LEFT_OUT = ("--exclude-method", "PUT", "--exclude-path", "/runs/stream")


# Seed and examples for each route: the short run is the same each time, the long one another each time.
RUNS = [
    pytest.param(14, 10, id="short"),
    pytest.param(None, 200, marks=[pytest.mark.full, pytest.mark.timeout(1800)], id="long"),
]


def fuzz(lab: Running, folder: Path, seed: int | None, examples: int) -> None:
    """Fail unless every answer of the lab's services is in their contract, and none is a server error."""
    seed = secrets.randbelow(2**32) if seed is None else seed
    failures: list[str] = []
    for app in lab.apps:
        if not (app.folder / "openapi.json").exists() or app.protocol == "grpc":
            continue
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{app.url}/openapi.json"]
        command += ["--seed", str(seed), "--max-examples", str(examples), "--phases", "examples,coverage,fuzzing"]
        command += ["--checks", ",".join(CHECKS), "--continue-on-failure", *LEFT_OUT, "--request-timeout", "20"]
        command += ["--generation-database", "none", "--warnings", "off", "--no-color"]
        here = os.environ | {"NO_PROXY": "127.0.0.1,localhost"}
        result = subprocess.run(command, cwd=folder, env=here, capture_output=True, text=True, check=False)
        if result.returncode:
            failures.append(f"{app.app_id}, seed {seed}:\n{result.stdout[-6_000:]}{result.stderr}")
    assert not failures, "\n".join(failures)
