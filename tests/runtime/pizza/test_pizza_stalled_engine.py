"""What pizza-workflow does about a sidecar that keeps all calls to its workflows waiting (tests/runtime/cut_off.py)."""

from __future__ import annotations

import httpx
import pytest

from labctl.up.processes import wait_until
from tests.runtime.cut_off import cut_off
from tests.runtime.pizza.conftest import SOON, WORKFLOW

pytestmark = pytest.mark.lab("pizza")


def start(lab, order_id: str) -> httpx.Response:
    answer = lab.ask(order_id)
    assert answer.status_code in (202, 504), answer.text
    return answer


def test_a_sidecar_that_lost_placement_at_the_wrong_moment_keeps_every_call_waiting(lab):
    """When this fails the runtime has been mended, and kit/engine/stalled_engine.py is needed no more."""
    with cut_off(lab, WORKFLOW, CALL_TIMEOUT_SECONDS="2", ENGINE_CHECK_SECONDS="3600"):
        assert lab.http.get(lab.sidecar(WORKFLOW, "/v1.0/healthz")).status_code == 204
        told = start(lab, "stalled-1").json()
        assert (told["status"], told["dependency"]) == (504, "Dapr workflow engine")
        assert not wait_until(lambda: start(lab, "stalled-1").status_code == 202, 10)


def test_pizza_workflow_recovers_from_a_stalled_engine(lab):
    with cut_off(lab, WORKFLOW, CALL_TIMEOUT_SECONDS="2", ENGINE_CHECK_SECONDS="1"):
        order_id = "stalled-2"
        assert wait_until(lambda: start(lab, order_id).status_code == 202, SOON)
        lab.approve(order_id)
        lab.assert_delivered_once(order_id)
