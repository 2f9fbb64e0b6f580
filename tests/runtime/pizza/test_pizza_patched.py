"""Why orders have their version in their input, and do not ask `is_patched`: a trap of Dapr 1.18.0, alone.

A sidecar that hands a result to a workflow which has ended compares the patches in the workflow's history with those of
its last turn (`hasPatchMismatch` in versioning.go). There is none in a turn that is not done any more. So it takes the
workflow for one whose worker lacks a patch, and holds it until the sidecar ends.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from labctl import lifecycle
from labctl.processes import wait_until
from labctl.site import ROOT
from tests.runtime.pizza.conftest import BOOK, SOON

pytestmark = pytest.mark.lab("pizza")

PYTHON = ROOT / "pizza_services" / "workflow_service" / ".venv" / "bin" / "python"


@pytest.fixture
def _worker(lab) -> Iterator[None]:
    """A worker at the sidecar of pizza-order, which has none of its own."""
    port = str(lab.app(BOOK).grpc_port)
    script = Path(__file__).parent / "late_results.py"
    with subprocess.Popen([PYTHON, script], env=os.environ | {"DAPR_GRPC_PORT": port}) as worker:
        yield
        # Only with the sidecar goes what it holds; and while it holds something, its worker does not always get away.
        lifecycle.kill(lab.site, BOOK, sidecar=True)
        worker.terminate()
    lifecycle.restart(lab.site, BOOK, sidecar=True)


def start(lab, workflow: str, instance: str) -> httpx.Response:
    return lab.http.post(lab.sidecar(BOOK, f"/v1.0/workflows/dapr/{workflow}/start?instanceID={instance}"))


@pytest.mark.usefixtures("_worker")
def test_a_result_that_comes_after_the_end_holds_a_workflow_that_has_asked_for_a_patch(lab):
    """When this fails the runtime has been mended, and `is_patched` is as good as a version in the input."""
    asked, unasked = f"asked-{uuid4().hex[:8]}", f"unasked-{uuid4().hex[:8]}"
    told: list[str] = []

    def is_held() -> bool:
        told.append(start(lab, "end_first", unasked).text)
        return "actor is stalled" in start(lab, "ask_and_end_first", asked).text

    assert wait_until(is_held, SOON)
    assert wait_until(lambda: start(lab, "end_first", unasked).status_code == 202, SOON)
    assert "stalled" not in "".join(told)
