"""Name, address and phone of a customer are in the claim, which Dapr encrypts, and nowhere else."""

import json
import logging

import pytest
from conftest import CUSTOMER, ORDER

from kit.fakes.waiting import eventually


def readable(sidecar):
    """Return all that the engine, the topic and the scheduler keep of orders, which nobody encrypts."""
    kept = [(one.input, one.output, one.custom_status, one.history) for one in sidecar.engine.instances.values()]
    return repr((kept, sidecar.engine.activities, sidecar.published(), sidecar.dapr.jobs))


@pytest.mark.parametrize("end", ["delivered", "rejected", "cancelled", "by force"])
def test_no_history_event_job_or_log_has_the_customer(ada, sidecar, caplog, end):
    caplog.set_level(logging.DEBUG)
    ada.order()
    ada.until("pending_validation")
    if end == "rejected":
        ada.post("/validate-pizza", approved=False)
        ada.until("pending_validation", 2)
    if end in ("delivered", "rejected"):
        ada.post("/validate-pizza", approved=True)
    else:
        ada.post("/cancel-order", force=end == "by force")
    ada.until_ended()
    assert {body["customer"]["name"] for _, _, body in sidecar.peers.calls if "customer" in body} == {CUSTOMER["name"]}
    for secret in CUSTOMER.values():
        assert secret not in readable(sidecar)
        assert secret not in caplog.text


def test_the_error_of_an_answer_that_breaks_the_contract_hides_the_customer(serve, ada, sidecar):
    # Of a long input, pydantic's error would repeat the beginning and the end.
    sidecar.peers.fail("order", 200, order_id="123", run="1", attempt=1, customer=CUSTOMER)
    ada.client = serve(rules={"order_pizza": {"attempts": 1}})
    ada.order()
    assert "status" in ada.until_ended()["result"]["error"]
    for secret in CUSTOMER.values():
        assert secret not in readable(sidecar)


def test_an_order_that_has_ended_is_forgotten_but_for_its_end(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=True)
    ada.until_ended()
    assert sidecar.document("start_123")["customer"] == CUSTOMER
    assert ada.client.post("/job/watch-123", json="123").status_code == 200
    assert sidecar.document("start_123")["customer"] is None
    assert not any(secret in json.dumps(sidecar.document("start_123")) for secret in CUSTOMER.values())
    assert ada.client.post("/start-order", json=ORDER).json()["code"] == "ORDER_FINISHED"


def test_an_order_that_is_running_keeps_its_customer(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.client.post("/job/watch-123", json="123")
    assert sidecar.document("start_123")["customer"] == CUSTOMER


def test_another_replica_delivers_to_the_customer_too(serve, ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    # It has not seen the order's start.
    ada.client = serve()
    ada.post("/validate-pizza", approved=True)
    ada.until_ended()
    assert sidecar.peers.calls[-1][2]["customer"] == CUSTOMER


def test_a_claim_without_its_customer_fails_the_step_and_is_compensated(serve, ada, sidecar):
    ada.client = serve(rules={"deliver_pizza": {"attempts": 1}})
    ada.order()
    ada.until("pending_validation")
    sidecar.write("start_123", sidecar.document("start_123") | {"customer": None})
    ada.client = serve()
    ada.post("/validate-pizza", approved=True)
    error = ada.until_ended()["result"]["error"]
    assert error == "deliver_pizza failed: order 123 has no claim for this run any more"
    eventually(lambda: sidecar.peers.asked()[-3:] == ["discard", "refund", "cancel"])
