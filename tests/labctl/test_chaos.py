"""./lab chaos pizza: the audit finds each kind of loss and repetition, and no customer hides a lost order."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from labctl import runfile
from labctl.chaos import customers
from labctl.chaos.audit import Audit
from labctl.chaos.customers import Customer, Plan
from labctl.errors import LabError
from labctl.stack import Stack

APPS = runfile.select(runfile.read_apps(Stack()), ["pizza"])
PORTS = {app.app_port: app.app_id for app in APPS}
SHOP, KITCHEN, COURIER, BOOK = "pizza-storefront", "pizza-kitchen", "pizza-delivery", "pizza-order"
DELIVERED = {SHOP: [("order", 1)], KITCHEN: [("cook", 1)], COURIER: [("deliver", 1)], BOOK: ["delivered"]}
CANCELLED = {
    SHOP: [("order", 1), ("refund", 1), ("cancel", 1)],
    KITCHEN: [("cook", 1), ("discard", 1)],
    COURIER: [("deliver", 1), ("recall", 1)],
    BOOK: ["cancelled"],
}


def wrong(ended_as: str | None, facts: dict[str, Any], *, run: str = "a") -> list[str]:
    """Return the audit's findings for one order that ended so, with these facts in the services."""

    def service(request: httpx.Request) -> httpx.Response:
        app_id = PORTS[request.url.port or 0]
        if app_id == BOOK:
            return httpx.Response(200, json={"final": True, "timeline": [{"status": one} for one in facts[BOOK]]})
        runs = {"pizza-kitchen": run}
        entries = [
            {"step": step, "attempt": attempt, "run": runs.get(app_id, "a"), "times_asked": 1, "order_id": "o"}
            for step, attempt in facts[app_id]
        ]
        return httpx.Response(200, json={"entries": entries}) if entries else httpx.Response(404)

    with httpx.Client(transport=httpx.MockTransport(service)) as http:
        customer = Customer(Plan("o"), http, "http://localhost:8025", threading.Event())
        if ended_as:
            result = {"final_status": ended_as}
            customer.last = {"attempt": 1, "timeline": [{"status": ended_as}], "result": result}
        return Audit(http, APPS, [customer]).wrong()


@pytest.mark.parametrize(("ended_as", "facts"), [("delivered", DELIVERED), ("cancelled", CANCELLED)])
def test_an_order_that_went_well_is_not_wrong(ended_as, facts):
    assert wrong(ended_as, facts) == []


@pytest.mark.parametrize(
    ("ended_as", "facts", "words"),
    [
        (None, DELIVERED, "is stuck"),
        ("delivered", DELIVERED | {KITCHEN: [("cook", 1), ("cook", 1)]}, "did ('cook', 1) 2 times"),
        ("delivered", DELIVERED | {KITCHEN: []}, "should have done [('cook', 1)]"),
        ("delivered", DELIVERED | {SHOP: [("order", 1), ("refund", 1)]}, "should have done [('order', 1)]"),
        ("delivered", DELIVERED | {BOOK: []}, "received []"),
        ("cancelled", CANCELLED | {SHOP: [("order", 1), ("cancel", 1)]}, "was not cancelled and refunded"),
        ("cancelled", CANCELLED | {KITCHEN: [("cook", 1)]}, "did not discard"),
        ("cancelled", CANCELLED | {COURIER: [("deliver", 1)]}, "did not recall"),
    ],
)
def test_what_is_wrong_is_found(ended_as, facts, words):
    assert any(words in line for line in wrong(ended_as, facts))


def test_an_order_that_was_run_twice_is_found():
    assert wrong("delivered", DELIVERED, run="b") == [
        "o: was run more than once",
        "o: its result is {'final_status': 'delivered'}",
    ]


@pytest.mark.parametrize(
    ("plan", "ended_as", "reported"),
    [
        (Plan("o"), "delivered", []),
        (Plan("o"), "cancelled", ["o: it stood still"]),
        (Plan("o", rejects=2), "expired", ["o: it stood still"]),
        (Plan("o", rejects=3), "failed", []),
        (Plan("o", cancels_at="cooking"), "cancelled", []),
        (Plan("o"), None, []),
    ],
)
def test_an_order_that_its_customer_wanted_and_did_not_get_is_reported(plan, ended_as, reported):
    with httpx.Client() as http:
        customer = Customer(plan, http, "http://localhost:8025", threading.Event())
        if ended_as:
            customer.last = {"result": {"final_status": ended_as, "error": "it stood still"}}
        assert Audit(http, APPS, [customer]).unwanted() == reported


DONE = {"status": "delivered", "attempt": 1, "timeline": [], "result": {"final_status": "delivered"}}
COOKING = {"status": "cooking", "attempt": 1, "timeline": []}


def visit(monkeypatch, starts: list[int], states: list[httpx.Response]) -> Customer:
    """Visit a pizza-workflow that gives these answers, one after the other."""
    monkeypatch.setattr(customers, "ASK_AGAIN_SECONDS", 0.001)

    def workflow_service(request: httpx.Request) -> httpx.Response:
        return httpx.Response(starts.pop(0), json={}) if request.method == "POST" else states.pop(0)

    with httpx.Client(transport=httpx.MockTransport(workflow_service)) as http:
        customer = Customer(Plan("o"), http, "http://localhost:8025", threading.Event())
        customer.visit(5)
    return customer


def test_an_order_that_was_noted_and_never_started_is_ordered_again(monkeypatch):
    starts, states = [503, 409, 202], [httpx.Response(404), httpx.Response(200, json=DONE)]
    assert visit(monkeypatch, starts, states).ended_as == "delivered"
    assert starts == states == []


def test_an_order_that_was_there_and_is_lost_ends_the_run(monkeypatch):
    with pytest.raises(LabError, match="404"):
        visit(monkeypatch, [202], [httpx.Response(200, json=COOKING), httpx.Response(404)])
