"""A race of Dapr 1.18.0 that loses events, alone; and the pizza lab, which is set up so that it loses none.

All calls of a sidecar to its app go through one pipeline, which keeps the handler of the last call
(pkg/middleware/http/pipeline.go). Of two calls at once to an app that is down, one may get both errors. The other gets
none and ends as 200 without a body. An event is then acknowledged, and lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.pizza.conftest import AFTER_A_KILL, BOOK, KITCHEN

pytestmark = pytest.mark.lab("pizza")

AT_ONCE = 64


def rounds_to_a_dead_app(lab, app_id: str) -> Iterator[Counter[int]]:
    """Make rounds of simultaneous calls through the sidecar of a killed app; count each status."""
    control.kill(lab.stack, app_id)
    with ExitStack() as stack:
        port = lab.app(app_id).http_port
        calls = [stack.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=60))) for _ in range(AT_ONCE)]
        while True:
            for call in calls:
                call.request("GET", f"/v1.0/invoke/{app_id}/method/healthz")
            answers = [(answer.status, answer.read()) for answer in (call.getresponse() for call in calls)]
            assert {body for status, body in answers if status == 200} <= {b""}
            yield Counter(status for status, _ in answers)


def test_a_dead_app_may_answer_200_when_two_ask_it_at_once(lab):
    """When this fails the runtime has been mended, and dapr.yaml needs no appMaxConcurrency any more."""
    rounds = rounds_to_a_dead_app(lab, KITCHEN)
    assert wait_until(lambda: next(rounds)[200] > 0, 120, 0)


def test_a_dead_app_that_is_asked_one_at_a_time_never_does(lab):
    rounds = rounds_to_a_dead_app(lab, BOOK)
    assert [set(next(rounds)) for _ in range(5)] == [{500}] * 5


def test_no_event_is_lost_while_pizza_order_is_dead(lab):
    orders = [lab.order() for _ in range(20)]
    for order_id in orders:
        lab.until(order_id, "cook_pizza")
    # From here on all of them publish that they are cooked and wait, some at the same time.
    control.kill(lab.stack, BOOK)
    for order_id in orders:
        lab.approve(order_id)
    assert wait_until(lambda: all("result" in lab.state(order_id) for order_id in orders), AFTER_A_KILL)
    control.restart(lab.stack, BOOK, keep_sidecar=True)
    for order_id in orders:
        lab.assert_delivered_once(order_id, AFTER_A_KILL)
