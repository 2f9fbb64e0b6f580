"""The steps of the storefront."""

from kit.ledger import Step

ORDER = Step("order", "confirmed", compensated_by=frozenset({"refund", "cancel"}))
REFUND = Step("refund", "refunded")
CANCEL = Step("cancel", "cancelled")
