"""GET /orders/{order_id}: from the workflow while Dapr keeps it, after that from pizza-order."""

import pytest


def test_an_unknown_order_is_not_found(client):
    answer = client.get("/orders/nobody")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "order_id: there is no order nobody."


def test_the_taught_route_answers_the_same(ada):
    ada.order()
    ada.until("pending_validation")
    assert ada.post("/get-order").json() == ada.state()


def test_an_order_is_shown_while_pizza_order_is_down(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/cancel-order")
    ada.until_ended()
    sidecar.peers.book["123"] = (500, {"errorCode": "ERR_DIRECT_INVOKE", "message": "down"})
    assert ada.state()["status"] == "cancelled"


def test_a_purged_order_is_shown_from_pizza_order(client, sidecar):
    timeline = [{"status": "confirmed", "at": "2026-11-21T12:00:00Z", "attempt": 1}]
    entry = {"order_id": "123", "status": "delivered", "step": "deliver_pizza", "attempt": 2, "run": "a"}
    sidecar.peers.book["123"] = (200, {**entry, "final": True, "timeline": timeline})
    assert client.get("/orders/123").json() == {
        "order_id": "123", "instance_id": "pizza-order-123", "status": "delivered", "step": "deliver_pizza",
        "attempt": 2, "paused": False, "timeline": timeline,
        "result": {"order_id": "123", "status": "completed", "final_status": "delivered"},
    }  # fmt: skip


@pytest.mark.parametrize("end", ["failed", "cancelled", "delivered"])
def test_a_purged_order_tells_why_it_failed_as_before(ada, client, sidecar, end):
    sidecar.peers.fail("discard", 409, detail="the bin is full")
    ada.order()
    for attempt in (1, 2, 3) if end == "failed" else (1,):
        ada.until("pending_validation", attempt)
        ada.post("/validate-pizza", approved=False)
    if end != "failed":
        ada.until("pending_validation", 2)
        ada.post("/validate-pizza", approved=True) if end == "delivered" else ada.post("/cancel-order")
    before = ada.until_ended()
    assert "the bin is full" in before["result"]["error"]
    # As pizza-order makes it of the events.
    timeline = [{"note": None, **moment} for moment in sidecar.events()]
    last = timeline[-1]
    entry = {name: last[name] for name in ("order_id", "status", "step", "attempt", "run", "final")}
    sidecar.peers.book["123"] = (200, {**entry, "timeline": timeline})
    sidecar.engine.purge("pizza-order-123")
    before["result"].pop("delivery_result", None)
    assert ada.state() == before


def test_a_purged_order_cannot_be_shown_while_pizza_order_is_down(client, sidecar):
    sidecar.peers.book["123"] = (500, {"errorCode": "ERR_DIRECT_INVOKE", "message": "down"})
    answer = client.get("/orders/123")
    assert (answer.status_code, answer.json()["dependency"]) == (503, "pizza-order")


def test_a_deleted_order_is_not_found(ada, client, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/cancel-order")
    ada.until_ended()
    run = sidecar.document("start_123")["run"]
    sidecar.peers.book["123"] = (404, {"status": 404, "detail": "deleted", "code": "ORDER_DELETED", "run": run})
    assert client.get("/orders/123").status_code == 404


def test_an_order_is_shown_also_while_a_turn_of_it_is_being_saved(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    sidecar.engine.half_saved = 3
    assert ada.state()["status"] == "pending_validation"
    assert sidecar.engine.half_saved == 0


def test_an_order_that_stays_half_saved_is_504_in_time(serve, sidecar):
    sidecar.engine.half_saved = 1_000_000
    answer = serve(call_timeout_seconds=0.5).get("/orders/123")
    assert (answer.status_code, answer.json()["dependency"]) == (504, "Dapr workflow engine")


def test_a_purged_order_cannot_be_shown_when_pizza_order_answers_with_nothing(client, sidecar):
    sidecar.peers.book["123"] = (200, {})
    answer = client.get("/orders/123")
    assert (answer.status_code, answer.json()["dependency"]) == (503, "pizza-order")
