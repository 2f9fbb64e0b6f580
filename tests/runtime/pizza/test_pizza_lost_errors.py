"""A race of Dapr 1.18.0 that loses events, alone; and the pizza lab, which is set up so that it loses none.

All calls of a sidecar to its app go through one pipeline, which keeps the handler of the call that came last
(pkg/middleware/http/pipeline.go). Of two calls at once to an app that is down, one may therefore get both errors, and
the other none: it ends as 200 without a body. An event is acknowledged then, and gone.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from labctl import lifecycle
from labctl.processes import wait_until
from tests.runtime.pizza.conftest import AFTER_A_KILL, BOOK, KITCHEN

pytestmark = pytest.mark.lab("pizza")

AT_ONCE = 32


def statuses_of_a_dead_app(lab, app_id: str, calls: int) -> Counter[int]:
    """How often each status came, of many calls at once through the sidecar of an app that was killed."""
    lifecycle.kill(lab.site, app_id)
    url = lab.sidecar(app_id, f"/v1.0/invoke/{app_id}/method/healthz")
    with httpx.Client(timeout=60) as http, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: http.get(url), range(calls)))
    assert {answer.content for answer in answers if answer.status_code == 200} <= {b""}
    return Counter(answer.status_code for answer in answers)


def test_a_dead_app_may_answer_200_when_two_ask_it_at_once(lab):
    """When this fails the runtime has been mended, and dapr.yaml needs no appMaxConcurrency any more."""
    statuses = statuses_of_a_dead_app(lab, KITCHEN, 4_000)
    assert statuses[200] > 0, statuses


def test_a_dead_app_that_is_asked_one_at_a_time_never_does(lab):
    assert set(statuses_of_a_dead_app(lab, BOOK, 300)) == {500}


def test_no_event_is_lost_while_pizza_order_is_dead(lab):
    orders = [lab.order() for _ in range(20)]
    for order_id in orders:
        lab.until(order_id, "cook_pizza")
    # From here on all of them tell that they are cooked and wait, some at the same time.
    lifecycle.kill(lab.site, BOOK)
    for order_id in orders:
        lab.approve(order_id)
    assert wait_until(lambda: all("result" in lab.state(order_id) for order_id in orders), AFTER_A_KILL)
    lifecycle.restart(lab.site, BOOK)
    for order_id in orders:
        lab.assert_delivered_once(order_id, AFTER_A_KILL)
