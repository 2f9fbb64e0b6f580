"""The orders of these tests, and how they read the ledger."""

ORDER = {
    "order_id": "123",
    "pizza_type": "pepperoni",
    "size": "large",
    "customer": {"name": "Ada", "address": "12 St James's Square", "phone": "+44 20 7946 0018"},
}
TASK = {"order_id": "123"}


def done(status, **key):
    """Return the answer to a compensation of ORDER, or of the run and attempt in `key`."""
    return {"order_id": "123", "run": "1", "attempt": 1, "status": status, **key}


def order_done(status, **key):
    """Return the answer to the action: the order and its status."""
    return {**ORDER, **done(status, **key)}


def ledger(client, order_id="123"):
    """Return step, run, attempt, status and times asked of each entry of an order."""
    entries = client.get(f"/ledger/{order_id}").json()["entries"]
    return [(e["step"], e["run"], e["attempt"], e["status"], e["times_asked"]) for e in entries]
