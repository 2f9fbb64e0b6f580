"""What pizza-workflow does about a sidecar that lets no worker in (tests/runtime/locked_out.py)."""

from __future__ import annotations

import pytest

from tests.runtime.locked_out import assert_the_sidecar_is_ended, beside_a_gate
from tests.runtime.pizza.conftest import WORKFLOW

pytestmark = pytest.mark.lab("pizza")


def test_an_order_outlives_a_sidecar_that_lets_no_worker_in(lab):
    with beside_a_gate(lab, WORKFLOW, ENGINE_CHECK_SECONDS="0.2", WORKER_LOCKOUT_SECONDS="10") as gate:
        order_id = lab.order()
        lab.until(order_id, "validate_pizza")
        assert_the_sidecar_is_ended(lab, WORKFLOW, gate)
        lab.approve(order_id)
        lab.assert_delivered_once(order_id)
