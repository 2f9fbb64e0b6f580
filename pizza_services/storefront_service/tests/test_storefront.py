"""The storefront takes an order once, and refuses it after a refund or a cancellation."""

import pytest

from kit.fakes.pizza import ORDER, TASK, done, ledger, order_done


def test_an_order_is_taken_once_and_answered_with_its_status(client):
    answers = [client.post("/order", json=ORDER) for _ in range(2)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, order_done("confirmed"))] * 2
    assert ledger(client) == [("order", "1", 1, "confirmed", 2)]


@pytest.mark.parametrize(("route", "status"), [("refund", "refunded"), ("cancel", "cancelled")])
def test_an_order_that_was_taken_back_can_no_longer_be_taken(client, route, status):
    client.post("/order", json=ORDER)
    assert client.post(f"/{route}", json=TASK).json() == done(status)
    answer = client.post("/order", json=ORDER)
    assert (answer.status_code, answer.json()["code"]) == (409, "ALREADY_CANCELLED")
    assert answer.json()["detail"] == f"order_id: order 123 was {status} and can no longer be confirmed."
    assert [entry[0] for entry in ledger(client)] == ["order", route]


@pytest.mark.parametrize("route", ["refund", "cancel"])
def test_an_order_that_arrives_after_its_compensation_is_refused(client, route):
    client.post(f"/{route}", json=TASK)
    assert client.post("/order", json=ORDER).json()["code"] == "ALREADY_CANCELLED"
    assert client.post("/order", json={**ORDER, "run": "abc"}).json() == order_done("confirmed", run="abc")
