"""A fault of Dapr 1.18.0: the sidecar ends by itself when its actors leave it just while a workflow comes to its end.

With a `stateRetentionPolicy` a workflow's end reads the state that the actor has let go of by then (`handleRetention`
in pkg/actors/targets/workflow/orchestrator/run.go).
"""

from __future__ import annotations

import time

import pytest

from labctl import lifecycle, processes
from tests.runtime.pizza.conftest import AFTER_A_KILL, COURIER, WORKFLOW

pytestmark = [pytest.mark.lab("pizza"), pytest.mark.full, pytest.mark.timeout(900)]

AT_ONCE, ROUNDS = 60, 12


def lives(lab) -> bool:
    """Whether pizza-workflow's sidecar does."""
    return any((one.kind, one.name) == ("sidecar", WORKFLOW) for one in processes.find(lab.site))


def test_a_sidecar_panics_when_placement_dies_while_workflows_end(lab):
    """When this fails the runtime has been mended, and `./lab chaos` need not bring anything back."""
    with lab.otherwise(lab.with_settings(COURIER, STEP_SECONDS="0")):
        for number in range(ROUNDS):
            orders = [lab.order() for _ in range(AT_ONCE)]
            for order_id in orders:
                lab.until(order_id, "validate_pizza", timeout=AFTER_A_KILL)
            for order_id in orders:
                lab.tell("validate-pizza", order_id, approved=True)
            # A little later in each round: how fast they end is this machine's affair.
            time.sleep(0.1 * number)
            lifecycle.kill(lab.site, "placement")
            lifecycle.restart(lab.site, "placement")
            if not lives(lab):
                break
        else:
            pytest.fail(f"the sidecar lives after {ROUNDS} rounds")
    logs = (lab.app(WORKFLOW).folder / ".dapr" / "logs").glob("*_daprd_*.log")
    assert "handleRetention" in max(logs, key=lambda path: path.stat().st_mtime).read_text()
