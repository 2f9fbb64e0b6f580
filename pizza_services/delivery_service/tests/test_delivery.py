"""Delivery brings each pizza once, and a recall is for the whole run of an order, whichever pizza is on its way."""

from pathlib import Path

import pytest

from kit.fakes.pizza import ORDER, TASK, Edge, done, ledger, order_done


class TestEdge(Edge):
    folder, app_id, action, status = Path(__file__).parent.parent, "pizza-delivery", "deliver", "delivered"
    compensations = ("recall",)


def test_each_attempt_is_a_delivery_and_is_answered_with_its_status(client):
    answers = [client.post("/deliver", json={**ORDER, "attempt": attempt}).json() for attempt in (1, 2, 2)]
    assert answers == [order_done("delivered", attempt=attempt) for attempt in (1, 2, 2)]
    assert [(entry[2], entry[4]) for entry in ledger(client)] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("attempt", [1, 2, 1000])
def test_a_recall_refuses_every_attempt_of_its_run_and_none_of_another(client, attempt):
    assert client.post("/recall", json=TASK).json() == done("recalled")
    late = {**ORDER, "attempt": attempt}
    answer = client.post("/deliver", json=late)
    assert (answer.status_code, answer.json()["code"]) == (409, "ALREADY_CANCELLED")
    assert answer.json()["detail"] == "order_id: order 123 was recalled and can no longer be delivered."
    assert client.post("/deliver", json={**late, "run": "2"}).status_code == 200
