"""Why orders have their version in their input, and do not ask `is_patched`: a trap of Dapr 1.18.0, alone.

A result may arrive after its workflow has ended. Then the sidecar compares the patches in the history with those of the
last turn (`hasPatchMismatch` in versioning.go). A turn that is never done has none. So the sidecar concludes that the
worker lacks a patch, and holds the workflow until the sidecar ends.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from labctl.stack import ROOT
from labctl.up.processes import wait_until
from tests.runtime.pizza.conftest import BOOK, SOON, Pizza

pytestmark = pytest.mark.lab("pizza")

PYTHON = ROOT / "pizza_services" / "workflow_service" / ".venv" / "bin" / "python"


@contextmanager
def worker(lab: Pizza, resources: Path) -> Iterator[None]:
    """Run late_results.py beside pizza-order, which has no worker; end its sidecar's instances with it.

    resources: an empty folder for the actor store that it has only here.
    """
    store = (ROOT / "components" / "actorstore.yaml").read_text()
    (resources / "actorstore.yaml").write_text(store.replace("pizza-workflow", BOOK))
    script = Path(__file__).parent / "late_results.py"
    environment = os.environ | {"DAPR_GRPC_PORT": str(lab.app(BOOK).grpc_port)}
    with (
        lab.otherwise(lab.app(BOOK), resources=[resources]),
        subprocess.Popen([PYTHON, script], env=environment) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


def start(lab: Pizza, workflow: str, instance: str) -> httpx.Response:
    return lab.http.post(lab.sidecar(BOOK, f"/v1.0/workflows/dapr/{workflow}/start?instanceID={instance}"))


def test_a_result_that_comes_after_the_end_holds_a_workflow_that_has_asked_for_a_patch(lab, tmp_path):
    """When this fails the runtime has been mended, and `is_patched` is as good as a version in the input."""
    asked, unasked = f"asked-{uuid4().hex[:8]}", f"unasked-{uuid4().hex[:8]}"
    told: list[str] = []

    def is_held() -> bool:
        told.append(start(lab, "end_first", unasked).text)
        return "actor is stalled" in start(lab, "ask_and_end_first", asked).text

    with worker(lab, tmp_path):
        assert wait_until(is_held, SOON)
        assert wait_until(lambda: start(lab, "end_first", unasked).status_code == 202, SOON)
    assert "stalled" not in "".join(told)
