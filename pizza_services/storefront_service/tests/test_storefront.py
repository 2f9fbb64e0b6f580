"""The storefront takes an order once, and refuses it after a refund or a cancellation."""

from pathlib import Path

import pytest

from kit.fakes.pizza import ORDER, TASK, Edge, done, ledger, order_done


class TestEdge(Edge):
    folder, app_id, action, status = Path(__file__).parent.parent, "pizza-storefront", "order", "confirmed"
    compensations = ("refund", "cancel")


def test_an_order_is_taken_once_and_answered_with_its_status(client):
    answers = [client.post("/order", json=ORDER) for _ in range(2)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, order_done("confirmed"))] * 2
    assert ledger(client) == [("order", "1", 1, "confirmed", 2)]


@pytest.mark.parametrize("was_taken", [True, False])
@pytest.mark.parametrize(("route", "status"), [("refund", "refunded"), ("cancel", "cancelled")])
def test_an_order_that_was_taken_back_can_no_longer_be_taken(client, was_taken, route, status):
    if was_taken:
        client.post("/order", json=ORDER)
    assert client.post(f"/{route}", json=TASK).json() == done(status)
    answer = client.post("/order", json=ORDER)
    assert (answer.status_code, answer.json()["code"]) == (409, "ALREADY_CANCELLED")
    assert answer.json()["detail"] == f"order_id: order 123 was {status} and can no longer be confirmed."
    assert client.post("/order", json={**ORDER, "run": "abc"}).json() == order_done("confirmed", run="abc")
