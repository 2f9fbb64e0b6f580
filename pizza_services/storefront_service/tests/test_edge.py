"""The edge of the service, which is that of each pizza service with a ledger."""

from conftest import SERVICE

from kit.fakes.pizza import Edge


class TestEdge(Edge):
    folder, app_id, action, status = SERVICE, "pizza-storefront", "order", "confirmed"
    compensations = ("refund", "cancel")
