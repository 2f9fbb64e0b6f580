"""The part of the story that this service plays; the tests that are the same in three services read it here."""

APP_ID = "pizza-kitchen"
ACTION, STATUS = "cook", "cooked"
# What undoes the action, and the status that it answers.
UNDOINGS = {"discard": "discarded"}

ORDER = {
    "order_id": "123",
    "pizza_type": "pepperoni",
    "size": "large",
    "customer": {"name": "Ada", "address": "12 St James's Square", "phone": "+44 20 7946 0018"},
}
UNDO = {"order_id": "123"}


def done(status=STATUS, **key):
    """The answer to a task of ORDER's run and attempt, or of those in `key`."""
    return {"order_id": "123", "run": "1", "attempt": 1, "status": status, **key}


def ledger(client, order_id="123"):
    """Step, run, attempt, status and times asked of each entry of an order."""
    entries = client.get(f"/ledger/{order_id}").json()["entries"]
    return [(e["step"], e["run"], e["attempt"], e["status"], e["times_asked"]) for e in entries]
