"""./lab bench pizza: the cost of an order from start to delivery, and of finished orders to later ones.

    | row | work | stands for |
    |---|---|---|
    | `bare_K` | K at a time: an empty workflow of the same shape (bench/baselines/bare_workflows.py) | the limit |
    | `orders_K` | K at a time: ordered, approved as soon as it waits for that, delivered | the services of this lab |
    | `taught_K` | the same at bench/baselines/taught_pizza.py | synchronous calls, a client for each |
    | `finished_N` | one order at a time while N finished ones are in the store | how cost grows |
    | `purged_N` | the same after their workflows were purged | the gain of the retention policy |

Steps take no time (STEP_SECONDS=0). In every row the customers together look some eighty times a second. That is part
of the cost. `ratio_to_limit` is the rate over that of the bare workflow with as many at a time. For the last two rows
it is the p50 over that beside the fewest finished orders, and Redis' keys are counted.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any
from uuid import uuid4

import httpx
from rich.console import Console

from labctl import runfile
from labctl.bench.baselines import FOLDER, with_baselines
from labctl.bench.customers import Rate, Turn, at_once, rates, rows
from labctl.bench.report import Result, Target, row_of_turns
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import lifecycle

AT_ONCE = (1, 16, 64, 256)
SLICES = 3  # of the rows with few at a time; a row with many takes long enough
MANY = 64
FINISHED, FINISHED_FULL = (100, 1_000), (100, 1_000, 10_000)
MEASURED = 20  # orders, one at a time, beside the finished ones
COMPARED_AT = 16
OF_BARE = 0.35  # measured 0.43 to 0.52, with a bare workflow of six activities as well
OF_TAUGHT = 0.65  # measured 0.70 to 0.91, from 0.47 with twelve activities an order; aim: 0.9
ALONE_TO_TAUGHT = 1.45  # measured 1.24 to 1.42, from 1.7; aim: 1.3

_LOOKS_PER_SECOND = 80  # an order needs two of them at least, so that more than 40 orders a second are not seen
_PATIENCE = 180  # seconds for one order; 256 wait for each other
_CUSTOMER = {"name": "Ada Lovelace", "address": "12 St James's Square", "phone": "+44 20 7946 0000"}


def measure(stack: Stack, console: Console, seconds: float, full: bool) -> Result:
    """Measure all rows, each rate for `seconds`. Below 3 s only up to 16 at a time and beside 100 finished orders."""
    steps = Steps(console)
    apps = with_baselines(stack, "pizza")
    lifecycle.up(stack, apps, console, resources=[FOLDER / "components"], env={"STEP_SECONDS": "0"})
    quick = seconds < 3
    counts, marks = AT_ONCE[:2] if quick else AT_ONCE, FINISHED_FULL if full else FINISHED[:1] if quick else FINISHED
    names = {"bare": "bare-pizza", "orders": "pizza-workflow", "taught": "taught-pizza"}
    ended: list[str] = []
    ways = {way: _turn(runfile.find(apps, name).url, ended if way == "orders" else []) for way, name in names.items()}
    with steps.step("warm-up"):
        for turn in ways.values():
            at_once(turn, COMPARED_AT, 0, _PATIENCE)
    plan = [count for count in counts for _ in range(SLICES if count < MANY else 1)]
    with steps.step(f"{len(ways) * len(counts)} rates", total=len(ways) * len(plan)) as advance:
        measured = rates(ways, plan, seconds, _PATIENCE, advance)
    workflow = runfile.find(apps, "pizza-workflow")
    with steps.step(f"{len(ended):,} orders: purge"):
        _purge(workflow, ended)
    grown: dict[str, tuple[list[float], int]] = {}
    for mark in marks:
        with steps.step(f"{mark:,} finished orders", total=mark) as advance:
            _deliver(workflow.url, mark, COMPARED_AT, ended, advance)
        grown[f"finished_{mark}"] = (_deliver(workflow.url, MEASURED, 1, ended), _keys(stack))
        with steps.step(f"{len(ended):,} orders: purge"):
            _purge(workflow, ended)
        grown[f"purged_{mark}"] = (_deliver(workflow.url, MEASURED, 1, ended), _keys(stack))
    return result(measured, grown)


def _turn(url: str, ended: list[str]) -> Turn:
    """Return the turn of a customer: one order. Add its id to `ended`."""

    def turn(http: httpx.Client, _: str, count: int) -> None:
        ended.append(deliver(http, url, count))

    return turn


def _deliver(
    url: str, number: int, at_a_time: int, ended: list[str], advance: Callable[[], None] = lambda: None
) -> list[float]:
    """Get that number of orders delivered. Return the seconds of each, and add their ids to `ended`."""
    with httpx.Client(timeout=_PATIENCE) as http, ThreadPoolExecutor(at_a_time) as pool:

        def one(_: int) -> float:
            begin = time.monotonic()
            ended.append(deliver(http, url, at_a_time))
            advance()
            return time.monotonic() - begin

        return list(pool.map(one, range(number)))


def deliver(http: httpx.Client, url: str, at_a_time: int) -> str:
    """Order, approve as soon as the pizza waits for it, and return the order's id when it is delivered.

    at_a_time: how many customers share the looks of a second. Raise LabError when it is not delivered in time.
    """
    order_id, deadline = uuid4().hex, time.monotonic() + _PATIENCE
    order = {"order_id": order_id, "pizza_type": "pepperoni", "size": "large", "customer": _CUSTOMER}
    _accepted(http.post(f"{url}/start-order", json=order))
    approved = False
    while time.monotonic() < deadline:
        time.sleep(at_a_time / _LOOKS_PER_SECOND)
        answer = http.get(f"{url}/orders/{order_id}")
        if answer.status_code not in (200, 503):
            raise _failed(answer)
        # 503: the engine is writing it at this moment.
        shown: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        if "result" in shown:
            if shown["result"].get("final_status") != "delivered":
                raise LabError(f"Order {order_id} at {url} ended otherwise, so there is no figure: {shown['result']}")
            return order_id
        if shown.get("status") == "pending_validation" and not approved:
            _accepted(http.post(f"{url}/validate-pizza", json={"order_id": order_id, "approved": True}))
            approved = True
    raise LabError(f"Order {order_id} at {url} was not delivered within {_PATIENCE} s, so there is no figure.")


def _accepted(answer: httpx.Response) -> None:
    if answer.status_code != 202:
        raise _failed(answer)


def _failed(answer: httpx.Response) -> LabError:
    return LabError(f"{answer.url} failed, so there is no figure: {answer.status_code} {answer.text[:200]}")


def _purge(app: App, orders: list[str]) -> None:
    """Purge the workflows of these orders, and empty the list."""
    url = f"http://127.0.0.1:{app.http_port}/v1.0/workflows/dapr/pizza-order-"
    with httpx.Client(timeout=_PATIENCE) as http, ThreadPoolExecutor(COMPARED_AT) as pool:
        for answer in pool.map(http.post, [f"{url}{order_id}/purge" for order_id in orders]):
            _accepted(answer)
    orders.clear()


def _keys(stack: Stack) -> int:
    """Return the number of keys in Redis."""
    with socket.create_connection(("127.0.0.1", stack.ports["redis"]), timeout=10) as redis:
        redis.sendall(b"DBSIZE\r\n")
        return int(redis.makefile().readline()[1:])


def result(rates: dict[str, Rate], grown: dict[str, tuple[list[float], int]]) -> Result:
    """Return the rows and targets of these rates, and of orders beside finished ones.

    grown: the seconds that orders took one at a time, and the keys in Redis after them.
    """
    first = median(next(iter(grown.values()))[0])
    grown_rows = [
        row_of_turns(name, 1, took, median(took) / first, orders_per_second=1 / median(took)) | {"redis_keys": keys}
        for name, (took, keys) in grown.items()
    ]
    bare, ours, taught = (rates[f"{way}_{COMPARED_AT}"].per_second for way in ("bare", "orders", "taught"))
    alone = median(rates["orders_1"].took) / median(rates["taught_1"].took)
    targets = [
        Target(f"orders to the bare workflow at {COMPARED_AT}", OF_BARE, ours / bare),
        Target(f"orders to the taught form at {COMPARED_AT}", OF_TAUGHT, ours / taught),
        Target("one order alone, p50 to the taught form", ALONE_TO_TAUGHT, alone, at_most=True),
    ]
    caption = "ratio: of the bare workflow's rate; below: p50 to that beside the fewest"
    return Result(caption, rows(rates, "orders_per_second") + grown_rows, targets)
