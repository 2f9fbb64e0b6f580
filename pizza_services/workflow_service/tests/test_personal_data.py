"""Name, address and phone of a customer are in the claim, which Dapr encrypts, and nowhere else."""

import logging

import pytest
from conftest import CUSTOMER, ORDER

from kit.fakes.waiting import eventually


def assert_hidden(sidecar):
    """Check that all that the engine, the topic and the scheduler keep, which nobody encrypts, hides the customer."""
    kept = [(one.input, one.output, one.custom_status, one.history) for one in sidecar.engine.instances.values()]
    text = repr((kept, sidecar.engine.activities, sidecar.published(), sidecar.dapr.jobs))
    assert not any(secret in text for secret in CUSTOMER.values())


@pytest.mark.parametrize("end", ["delivered", "rejected", "cancelled", "by force"])
def test_no_history_event_job_or_log_has_the_customer(ada, sidecar, caplog, end):
    caplog.set_level(logging.DEBUG)
    ada.order_and_wait()
    if end == "rejected":
        ada.decide(False)
        ada.until("pending_validation", 2)
    if end in ("delivered", "rejected"):
        ada.decide()
    else:
        ada.cancel(force=end == "by force")
    ada.until_ended()
    assert {body["customer"]["name"] for _, _, body in sidecar.peers.calls if "customer" in body} == {CUSTOMER["name"]}
    assert_hidden(sidecar)
    assert not any(secret in caplog.text for secret in CUSTOMER.values())


def test_the_error_of_an_answer_that_breaks_the_contract_hides_the_customer(serve, ada, sidecar):
    # Of a long input, pydantic's error would repeat the beginning and the end.
    sidecar.peers.fail("order", 200, order_id="123", run="1", attempt=1, customer=CUSTOMER)
    ada.client = serve(rules={"order_pizza": {"attempts": 1}})
    ada.order()
    assert "status" in ada.until_ended()["result"]["error"]
    assert_hidden(sidecar)


def test_the_customer_of_an_order_is_removed_after_its_end(ada, sidecar):
    ada.order_and_wait()
    ada.be_checked()
    ada.decide()
    ada.until_ended()
    assert sidecar.claim["customer"] == CUSTOMER
    ada.be_checked()
    assert sidecar.claim["customer"] is None
    assert ada.client.post("/start-order", json=ORDER).json()["code"] == "ORDER_FINISHED"


def test_another_replica_delivers_to_the_customer_too(serve, ada, sidecar):
    ada.order_and_wait()
    # It has not seen the order's start.
    ada.client = serve()
    ada.decide()
    ada.until_ended()
    assert sidecar.peers.calls[-1][2]["customer"] == CUSTOMER


def test_a_claim_without_its_customer_fails_the_step_and_is_compensated(serve, ada, sidecar):
    ada.client = serve(rules={"deliver_pizza": {"attempts": 1}})
    ada.order_and_wait()
    sidecar.change_claim(customer=None)
    ada.client = serve()
    ada.decide()
    error = ada.until_ended()["result"]["error"]
    assert error == "deliver_pizza failed: order 123 has no claim for this run any more"
    eventually(lambda: sidecar.peers.asked()[-3:] == ["discard", "refund", "cancel"])


def test_every_record_of_an_order_expires(ada, sidecar):
    ada.order_and_wait()
    ada.pause()
    assert ada.post("/resume-order").status_code == 202
    ada.decide()
    ada.until_ended()
    kept = {"start_123", "validation_123"}
    assert {key for key, ttl in sidecar.dapr.ttls().items() if ttl == 7_776_000} == set(sidecar.dapr.keys()) >= kept
