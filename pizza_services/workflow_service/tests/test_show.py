"""GET /orders/{order_id}: from the workflow while Dapr keeps it, after that from pizza-order."""

import pytest
from conftest import WORKFLOW
from other_services import DOWN


def test_the_taught_route_answers_the_same(ada):
    ada.order_and_wait()
    assert ada.post("/get-order").json() == ada.state()


def test_an_order_is_shown_while_pizza_order_is_down(ada, sidecar):
    ada.order_and_wait()
    ada.cancel()
    ada.until_ended()
    sidecar.peers.book["123"] = DOWN
    assert ada.state()["status"] == "cancelled"


@pytest.mark.parametrize(("end", "rejections"), [("delivered", 0), ("cancelled", 1), ("failed", 3)])
def test_a_purged_order_is_shown_from_pizza_order_as_before(ada, sidecar, end, rejections):
    sidecar.peers.fail("discard", 409, detail="the bin is full")
    ada.order()
    for attempt in range(1, rejections + 1):
        ada.until("pending_validation", attempt)
        ada.decide(False)
    if end != "failed":
        ada.until("pending_validation", rejections + 1)
        ada.decide() if end == "delivered" else ada.cancel()
    before = ada.until_ended()
    assert ("the bin is full" in before["result"].get("error", "")) == (end != "delivered")
    # As pizza-order makes it of the events.
    timeline = [{"note": None, **event} for event in sidecar.events()]
    last = timeline[-1]
    sidecar.peers.know(
        **{name: last[name] for name in ("status", "step", "attempt", "run", "final")}, timeline=timeline
    )
    sidecar.engine.purge(WORKFLOW)
    before["result"].pop("delivery_result", None)
    assert ada.state() == before


@pytest.mark.parametrize("answer", [DOWN, (200, {})])
def test_a_purged_order_cannot_be_shown_without_a_good_answer_of_pizza_order(client, sidecar, answer):
    sidecar.peers.book["123"] = answer
    answer = client.get("/orders/123")
    assert (answer.status_code, answer.json()["dependency"]) == (503, "pizza-order")
