"""The customers of ./lab chaos pizza do not give up, but do not hide a lost order either."""

from __future__ import annotations

import threading

import httpx
import pytest

from labctl.chaos import customers
from labctl.chaos.customers import Customer, Plan
from labctl.errors import LabError

DELIVERED = {"status": "delivered", "attempt": 1, "timeline": [], "result": {"final_status": "delivered"}}
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
    starts, states = [503, 409, 202], [httpx.Response(404), httpx.Response(200, json=DELIVERED)]
    assert visit(monkeypatch, starts, states).ended_as == "delivered"
    assert starts == states == []


def test_an_order_that_was_there_and_is_lost_ends_the_run(monkeypatch):
    with pytest.raises(LabError, match="404"):
        visit(monkeypatch, [202], [httpx.Response(200, json=COOKING), httpx.Response(404)])
