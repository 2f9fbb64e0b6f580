"""Orders, and events as the workflow publishes them."""

from kit.fakes.pizza import ORDER

AT = "2026-01-02T03:04:{:02}Z"
# An order as events have it, and as this service knows it from them.
PIZZA = {name: value for name, value in ORDER.items() if name != "customer"}
KNOWN = {**PIZZA, "customer": None}
STORY = ["confirmed", "cooking", "cooked", "pending_validation", "approved", "delivering", "delivered"]


def event(sequence, status=None, *, run="a1", order_id="123", final=None, **data):
    """Return an event of the topic `orders`; the status is the one at this place of STORY unless it is given."""
    status = status or STORY[sequence - 1]
    change = {
        "order_id": order_id,
        "run": run,
        "sequence": sequence,
        "status": status,
        "step": "a_step",
        "attempt": 1,
        "at": AT.format(sequence % 60),
        "final": status == "delivered" if final is None else final,
        **({"order": {**PIZZA, "order_id": order_id}} if sequence == 1 else {}),
        **data,
    }
    return {
        "specversion": "1.0",
        "id": f"pizza-order-{order_id}-{run}-{sequence}",
        "source": "pizza-workflow",
        "type": "OrderStatusChanged",
        "subject": order_id,
        "time": change["at"],
        "datacontenttype": "application/json",
        "data": change,
    }


def deliver(client, *events):
    """Deliver events as Dapr does, and return the answer to each."""
    answers = [client.post("/events/orders", json=each) for each in events]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json()["status"] for answer in answers]


def statuses(client, order_id="123"):
    """Return the statuses in an order's timeline."""
    return [entry["status"] for entry in client.get(f"/orders/{order_id}").json()["timeline"]]
