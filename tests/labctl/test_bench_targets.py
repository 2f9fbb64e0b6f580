"""The targets of the benches: each promised ratio is there, and is made of the rows that it names."""

from __future__ import annotations

from labctl.bench import blocks, chat, console, invocation, jobs, pizza, scaling, up
from labctl.bench.console import Cost
from labctl.bench.customers import Rate
from labctl.bench.jobs import Batch
from labctl.bench.load import Load
from labctl.bench.report import Result, Target


def targets(result: Result) -> dict[str, tuple[float, float, bool]]:
    """Return the figure and the aim of each target, and whether the aim is an upper bound."""
    return {target.what: (round(target.measured, 6), target.wanted, target.at_most) for target in result.targets}


def test_a_target_is_met_on_its_own_side() -> None:
    assert Target("ours to raw", 0.6, 0.6).met
    assert not Target("ours to raw", 0.6, 0.59).met
    assert Target("lab to bare", 1.3, 1.3, at_most=True).met
    assert not Target("lab to bare", 1.3, 1.31, at_most=True).met


def test_invocation_is_compared_with_the_raw_sidecar_and_the_taught_form() -> None:
    rates = {"raw_sidecar": 1000.0, "caller_url": 650.0, "taught": 25.0}
    figures = {(name, 16): Load(rate, 1.0, 2.0) for name, rate in rates.items()}
    figures |= {(name, 1): Load(1.0, 1.0, 2.0) for name in rates}
    assert targets(invocation.result(figures)) == {
        "caller_url to raw_sidecar at 16": (0.65, 0.6, False),
        "caller_url to taught at 16": (26, 20, False),
    }


def test_jobs_are_compared_with_the_bare_call() -> None:
    def batch(rate: float) -> Batch:
        return Batch(Load(rate, 1.0, 2.0), [100.0, 200.0, 300.0])

    assert targets(jobs.result({"bare": [batch(1000)], "app": [batch(300)]}, {1: (batch(1), 50.0)})) == {
        "scheduling a job through the app to the bare call": (0.3, jobs.OF_BARE, False),
        "p99 ms of lateness, 1,000 jobs due at once": (298, 1000, True),
    }


def test_turns_of_the_chat_are_compared_with_the_bare_workflow() -> None:
    measured = {"bare": 50.0, "sessions": 30.0, "taught": 2.0}
    rates = {f"{way}_16": Rate(16, per_second, [0.1]) for way, per_second in measured.items()}
    assert targets(chat.result({10: [0.1], 1000: [0.11]}, rates)) == {
        "turns to the bare workflow at 16": (0.6, chat.OF_BARE, False),
        "sessions to taught at 16": (15, 10, False),
        "p50 of turn 1,000 to that of turn 10": (1.1, 1.2, True),
    }


def test_blocks_are_compared_with_the_thing_under_each() -> None:
    took = {name: [0.001] for name in blocks.ROWS} | {
        "publish_bulk_sdk": [0.0002],
        "actor_http": [0.0015, 0.002, 0.009],
    }
    result = blocks.result(took)
    assert targets(result) == {
        "an event of a bulk publish to a single one": (0.2, blocks.BULK_TO_SINGLE, True),
        "an actor call to an invocation": (2, blocks.ACTOR_TO_INVOCATION, True),
    }
    ratios = {row["name"]: row["ratio_to_limit"] for row in result.rows}
    assert (ratios["redis_get"], ratios["publish_bulk_sdk"], ratios["actor_http"]) == (1, 0.2, 2)


def test_orders_are_compared_with_the_taught_form_at_sixteen_and_alone() -> None:
    rates = {f"{way}_{count}": Rate(count, 10.0, [0.2]) for way in ("bare", "taught") for count in (1, 16)}
    rates |= {"orders_1": Rate(1, 8.0, [0.1, 0.25, 0.9]), "orders_16": Rate(16, 9.0, [0.2])}
    found = targets(pizza.result(rates, {"finished_100": ([0.1], 5)}))
    assert found["orders to the taught form at 16"] == (0.9, pizza.OF_TAUGHT, False)
    assert found["one order alone, p50 to the taught form"] == (1.25, pizza.ALONE_TO_TAUGHT, True)


def test_a_start_is_compared_with_bare_dapr_run() -> None:
    took = {"dapr_run": [4.0, 4.0, 5.0], "lab_up": [4.4, 4.4, 9.0]}
    assert targets(up.result(took)) == {"./lab up to bare dapr run -f": (1.1, 1.2, True)}


def test_the_console_is_compared_with_the_sidecars_that_send_it_spans() -> None:
    def cost(sidecars: float, receiver: float) -> list[Cost]:
        return [Cost(Load(100, 1.0, 2.0), sidecars, 1.0, receiver)]

    costs = {"no_spans": cost(2, 0), "spans_discarded": cost(2.2, 0.01), "console": cost(2.5, 0.1)}
    result = console.result(costs | {"own_spans": cost(2.6, 0.3)})
    assert targets(result) == {"CPU time of the console to that of the sidecars": (0.04, 0.05, True)}
    assert [row["ratio_to_limit"] for row in result.rows] == [1, 1.1, 1.25, 1.3]


def test_an_order_with_replicas_is_compared_with_one_without() -> None:
    def cost(app: float, sidecar: float) -> scaling.Cost:
        spent = dict.fromkeys(scaling.PARTS, 0.0) | {"app": app, "sidecar": sidecar}
        return scaling.Cost(Rate(16, 10.0, [0.1]), spent, {"app": 70.0, "sidecar": 100.0})

    costs = {"greeting": cost(2, 2), "order_1": cost(20, 20), "order_4": cost(30, 20)}
    result = scaling.result(costs)
    assert targets(result) == {
        "CPU time of an order with 4 replicas to that with one": (1.25, scaling.MOST_FOR_REPLICAS, True)
    }
    assert [(row["cpu_ms"], row["app_ms"], row["ratio_to_limit"]) for row in result.rows] == [
        (4, 2, 1), (40, 20, 10), (50, 30, 12.5)
    ]  # fmt: skip
