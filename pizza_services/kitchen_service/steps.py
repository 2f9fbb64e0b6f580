"""What the kitchen does, and what it undoes: by attempt, because a pizza that was sent back is followed by another."""

from ledger import Step

COOK = Step("cook", "cooked", undone_by=frozenset({"discard"}), by_attempt=True)
DISCARD = Step("discard", "discarded")
