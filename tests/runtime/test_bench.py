"""./lab bench, run as a user runs it: every row, no failed request, and ratios far from those of a broken client."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from labctl.bench import attempts, chat, invocation, jobs, pizza, up
from labctl.bench.svg import measured
from labctl.stack import ROOT, TEST_OFFSET, Stack
from labctl.up import lifecycle, processes

# On a machine that others use too; the targets themselves are asserted by --full.
OF_RAW_SIDECAR = 0.4
TIMES_TAUGHT = 8.0
CALLERS = [*(f"caller_{via}" for via in ("url", "header", "sdk", "grpc")), "pooled_httpx", "pooled_httpx_aiohttp"]
ROWS = ["direct", "raw_sidecar", *CALLERS, "taught"]

# A thousand firings go through the state store of a machine that others use too.
JOBS_LATE_MS = 20_000

pytestmark = [pytest.mark.usefixtures("no_other_stack"), pytest.mark.timeout(600)]


def bench(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """Run ./lab bench and return its JSON; check that no process of it is left."""
    file = tmp_path / "figures.json"
    command = [str(ROOT / "lab"), "bench", *arguments, "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert processes.find(Stack("bench", TEST_OFFSET)) == []
    figures = json.loads(file.read_text())
    assert set(figures) == {"machine", "versions", "rows"}
    assert figures["versions"]["dapr"]
    return figures


def rates(figures: dict[str, Any]) -> dict[str, float]:
    """Return the requests per second of each row at 16 connections."""
    return {row["name"]: row["requests_per_second"] for row in figures["rows"] if row["connections"] == 16}


@pytest.mark.lab("invocation")
def test_invocation_has_every_row_and_our_caller_is_near_the_sidecar(tmp_path: Path) -> None:
    for last in (False, True):
        figures = bench(tmp_path, "invocation", "--seconds", "1.5")
        assert [(row["name"], row["connections"]) for row in figures["rows"]] == [
            (name, connections) for connections in (1, 16) for name in ROWS
        ]
        for row in figures["rows"]:
            assert set(row) == {"name", "connections", "requests_per_second", "p50_ms", "p99_ms", "ratio_to_limit"}
            assert row["requests_per_second"] > 0
            assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert [row["ratio_to_limit"] for row in figures["rows"] if row["name"] == "raw_sidecar"] == [1.0, 1.0]
        measured = rates(figures)
        of_raw = measured["caller_url"] / measured["raw_sidecar"]
        times_taught = measured["caller_url"] / measured["taught"]
        if of_raw >= OF_RAW_SIDECAR and times_taught >= TIMES_TAUGHT:
            return
        # It may fall into somebody else's compile: again, and then it counts.
        assert not last, f"caller_url: {of_raw:.2f} of the raw sidecar, {times_taught:.1f} times the taught way"


@pytest.mark.full
@pytest.mark.lab("invocation")
def test_invocation_meets_its_targets(tmp_path: Path) -> None:
    measured = rates(bench(tmp_path, "invocation"))
    assert measured["caller_url"] >= invocation.OF_RAW_SIDECAR * measured["raw_sidecar"]
    assert measured["caller_url"] >= invocation.TIMES_TAUGHT * measured["taught"]


@pytest.mark.full
@pytest.mark.lab("invocation")
def test_the_picture_of_attempts_shows_what_the_policies_declare() -> None:
    stack = Stack("bench", TEST_OFFSET)
    try:
        drawn = attempts.measure(stack, Console(stderr=True))
    finally:
        lifecycle.down(stack)
    constant, exponential, breaker = (panel.attempts for panel in attempts.read(measured(drawn)))
    assert [one.at for one in constant] == pytest.approx([0, 5, 10, 15], abs=1)
    assert len(exponential) == 6
    assert [one.outcome for one in breaker[:11]] == ["failed"] * 10 + ["refused"]
    assert breaker[-1].outcome == "succeeded"
    assert breaker[-1].at - breaker[9].at >= 10


@pytest.mark.full
@pytest.mark.lab("invocation")
def test_up_costs_little_more_than_bare_dapr_run(tmp_path: Path) -> None:
    rows = {row["name"]: row for row in bench(tmp_path, "up")["rows"]}
    assert list(rows) == ["dapr_run", "lab_up", "lab_up_from_nothing"]
    assert rows["dapr_run"]["ratio_to_limit"] == 1.0
    assert rows["lab_up"]["ratio_to_limit"] <= up.TIMES_BARE


def by_name(figures: dict[str, Any], unit: str) -> dict[str, dict[str, Any]]:
    """Return the rows by name; check that each has the fields of every bench's row."""
    for row in figures["rows"]:
        assert {"name", "connections", unit, "p50_ms", "p99_ms", "ratio_to_limit"} <= set(row)
        assert row[unit] > 0
        assert 0 < row["p50_ms"] <= row["p99_ms"]
    return {row["name"]: row for row in figures["rows"]}


@pytest.mark.full
@pytest.mark.lab("jobs")
def test_jobs_has_every_row_and_a_thousand_jobs_fire(tmp_path: Path) -> None:
    rows = by_name(bench(tmp_path, "jobs", "--seconds", "2"), "jobs_per_second")
    assert list(rows) == ["schedule_bare", "schedule_app", "fire_bare", "fire_app", "pending_1", "pending_1000"]
    assert rows["schedule_bare"]["ratio_to_limit"] == rows["fire_bare"]["ratio_to_limit"] == 1.0
    assert rows["fire_app"]["p99_ms"] < JOBS_LATE_MS
    assert rows["pending_1000"]["scheduler_mib"] > 0


@pytest.mark.full
@pytest.mark.lab("jobs")
@pytest.mark.timeout(1800)
def test_jobs_meets_its_target_and_waiting_jobs_cost_little(tmp_path: Path) -> None:
    rows = by_name(bench(tmp_path, "jobs", "--full"), "jobs_per_second")
    assert rows["fire_app"]["p99_ms"] <= jobs.P99_AT_MOST_MS
    # Those that wait cost no lateness: half of 200 at once arrive within twice the time that they take beside one.
    assert rows["pending_50000"]["ratio_to_limit"] < 2
    assert rows["pending_50000"]["scheduler_mib"] < 2_000


@pytest.mark.full
@pytest.mark.lab("chat")
def test_chat_has_every_row_and_a_turn_costs_what_the_first_did(tmp_path: Path) -> None:
    rows = by_name(bench(tmp_path, "chat", "--seconds", "2"), "turns_per_second")
    rates = [f"{way}_{count}" for count in chat.AT_ONCE for way in ("bare", "sessions", "taught")]
    assert list(rows) == ["turn_10", "turn_100", *rates]
    assert rows["turn_10"]["ratio_to_limit"] == rows["bare_16"]["ratio_to_limit"] == 1.0
    # Twice is what a busy machine does; a list that is read and written whole is far beyond that at turn 1,000.
    assert rows["turn_100"]["ratio_to_limit"] < 2


@pytest.mark.full
@pytest.mark.lab("chat")
@pytest.mark.timeout(3600)
def test_a_turn_of_the_chat_costs_the_same_after_ten_thousand(tmp_path: Path) -> None:
    rows = by_name(bench(tmp_path, "chat", "--full"), "turns_per_second")
    assert rows["turn_10000"]["ratio_to_limit"] <= chat.TIMES_FIRST
    assert rows["sessions_16"]["turns_per_second"] >= chat.TIMES_TAUGHT * rows["taught_16"]["turns_per_second"]


@pytest.mark.full
@pytest.mark.lab("pizza")
@pytest.mark.timeout(1800)
def test_pizza_has_every_row_and_is_near_the_bare_workflow(tmp_path: Path) -> None:
    rows = by_name(bench(tmp_path, "pizza"), "orders_per_second")
    rates = [f"{way}_{count}" for count in pizza.AT_ONCE for way in ("bare", "orders", "taught", "least")]
    grown = [f"{kind}_{mark}" for mark in pizza.FINISHED for kind in ("finished", "purged")]
    assert list(rows) == [*rates, *grown]
    assert rows["bare_16"]["ratio_to_limit"] == rows["finished_100"]["ratio_to_limit"] == 1.0
    assert rows["orders_16"]["ratio_to_limit"] >= pizza.OF_BARE
    assert rows["purged_1000"]["redis_keys"] < rows["finished_1000"]["redis_keys"]


@pytest.mark.full
@pytest.mark.lab("pizza")
@pytest.mark.timeout(3600)
def test_an_order_costs_the_same_after_ten_thousand(tmp_path: Path) -> None:
    rows = by_name(bench(tmp_path, "pizza", "--full"), "orders_per_second")
    assert rows["finished_10000"]["ratio_to_limit"] < 1.5
    assert rows["purged_10000"]["redis_keys"] < rows["finished_10000"]["redis_keys"]
