"""The steps of delivery."""

from kit.ledger import Step

# A recall is for the whole run of an order, whichever of its pizzas is on its way.
DELIVER = Step("deliver", "delivered", compensated_by=frozenset({"recall"}))
RECALL = Step("recall", "recalled")
