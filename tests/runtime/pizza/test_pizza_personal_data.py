"""The name, address and phone of a customer are readable nowhere in Redis: not in state, histories, streams or jobs."""

from __future__ import annotations

import pytest

from labctl.up.processes import wait_until
from tests.runtime.pizza.conftest import BOOK, SOON, WORKFLOW, Pizza
from tests.runtime.readable import in_logs_and_metrics

pytestmark = pytest.mark.lab("pizza")

CUSTOMER = {"name": "Грейс 🍕 O'Unmistakable; --", "address": "7 Unmistakable Mews", "phone": "+49 30 55512345"}


def readable(lab: Pizza) -> list[bytes]:
    """Return the keys in Redis with something of the customer in clear."""
    secrets = [b"Unmistakable", b"55512345"]
    return [key for key, value in lab.redis.everything() if any(secret in value for secret in secrets)]


def test_nothing_of_a_customer_is_readable_in_redis(lab):
    waiting, ended = lab.order(customer=CUSTOMER), lab.order(customer=CUSTOMER)
    stored = {"order_id": f"{ended}-stored", "pizza_type": "pepperoni", "size": "large", "customer": CUSTOMER}
    assert lab.http.post(lab.url(BOOK, "/orders"), json=stored).status_code == 201
    lab.until(waiting, "validate_pizza")
    lab.approve(ended)
    lab.assert_delivered_once(ended)
    assert lab.book(ended)["order"]["customer"] is None
    assert lab.book(stored["order_id"])["order"] == stored
    assert any(f"start_{waiting}" in key.decode() for key in lab.redis("KEYS", "*"))
    assert readable(lab) == []
    assert lab.ask("wrong", customer=CUSTOMER, size="huge").status_code == 422
    assert in_logs_and_metrics(lab, ["Unmistakable", "55512345"]) == {}


def test_an_order_that_has_ended_has_no_customer_any_more(lab):
    with lab.otherwise(lab.with_settings(WORKFLOW, WATCH_EVERY_SECONDS="2")):
        order_id = lab.order(customer=CUSTOMER)
        lab.approve(order_id)
        lab.assert_delivered_once(order_id)
        state = f"/v1.0/state/pizzastatestore/start_{order_id}"
        assert wait_until(lambda: lab.http.get(lab.sidecar(WORKFLOW, state)).json()["customer"] is None, SOON)
