"""Orders and events, as the workflow tells them."""

import copy

ORDER = {
    "order_id": "123",
    "pizza_type": "pepperoni",
    "size": "large",
    "customer": {"name": "Ada", "address": "12 St James's Square", "phone": "+44 20 7946 0018"},
}
AT = "2026-01-02T03:04:{:02}Z"
STORY = ["confirmed", "cooking", "cooked", "pending_validation", "approved", "delivering", "delivered"]


def event(sequence, status=None, *, run="a1", order_id="123", final=None, **data):
    """An event of the topic `orders`; without a status the one that STORY has at this place."""
    status = status or STORY[sequence - 1]
    told = {
        "order_id": order_id,
        "run": run,
        "sequence": sequence,
        "status": status,
        "step": "a_step",
        "attempt": 1,
        "at": AT.format(sequence % 60),
        "final": status == "delivered" if final is None else final,
        **({"order": {**copy.deepcopy(ORDER), "order_id": order_id}} if sequence == 1 else {}),
        **data,
    }
    return {
        "specversion": "1.0",
        "id": f"pizza-order-{order_id}-{run}-{sequence}",
        "source": "pizza-workflow",
        "type": "OrderStatusChanged",
        "subject": order_id,
        "time": told["at"],
        "datacontenttype": "application/json",
        "data": told,
    }


def tell(client, *events):
    """Delivers events as Dapr does, and returns what Dapr is told of each."""
    answers = [client.post("/events/orders", json=each) for each in events]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json()["status"] for answer in answers]


def statuses(client, order_id="123"):
    """The timeline of an order."""
    return [moment["status"] for moment in client.get(f"/orders/{order_id}").json()["timeline"]]
