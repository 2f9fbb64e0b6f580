"""./lab bench, run as a user runs it: every row, no failed request, and with --full the targets."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from labctl.bench import attempts, blocks, chat, pizza
from labctl.bench.svg import measured
from labctl.stack import ROOT, TEST_OFFSET, Stack
from labctl.up import lifecycle, processes

pytestmark = pytest.mark.usefixtures("no_other_stack")

CALLERS = [*(f"caller_{via}" for via in ("url", "header", "sdk", "grpc")), "pooled_httpx", "pooled_httpx_aiohttp"]
FIRST_TURNS = [f"turn_{number}" for number in chat.TURNS[:2]]
RATES_OF_TURNS = [f"{way}_{count}" for count in chat.AT_ONCE for way in ("bare", "sessions", "taught")]
RATES_OF_ORDERS = [f"{way}_{count}" for count in pizza.AT_ONCE[:2] for way in ("bare", "orders", "taught")]
ROWS = {
    "invocation": ["direct", "raw_sidecar", *CALLERS, "taught"] * 2,
    "jobs": ["schedule_bare", "schedule_app", "fire_bare", "fire_app", "pending_1", "pending_1000"],
    "chat": [*FIRST_TURNS, *RATES_OF_TURNS],
    "pizza": [*RATES_OF_ORDERS, "finished_100", "purged_100"],
    "blocks": blocks.ROWS,
    "console": ["no_spans", "spans_discarded", "console", "own_spans"],
    "scaling": ["greeting", "event", "turn", "order_1", "order_2", "order_4"],
    "up": ["dapr_run", "lab_up"],
}
# The rows that show what many finished or waiting ones cost, and how often they may cost what few do.
GROWN = {"jobs": ("pending_50000", 2), "chat": ("turn_10000", chat.TIMES_FIRST), "pizza": ("finished_10000", 1.5)}


def bench(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """Run ./lab bench and return its JSON; check that no process of it is left."""
    file = tmp_path / "figures.json"
    command = [str(ROOT / "lab"), "bench", *arguments, "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert processes.find(Stack("bench", TEST_OFFSET)) == []
    return json.loads(file.read_text())


def parameter(name: str, *marks: pytest.MarkDecorator) -> object:
    return pytest.param(
        name, marks=[pytest.mark.lab("invocation" if name in ("console", "scaling", "up") else name), *marks]
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", [parameter("invocation"), *(parameter(name, pytest.mark.full) for name in [*ROWS][1:])]
)
def test_a_short_bench_has_every_row(name: str, tmp_path: Path) -> None:
    figures = bench(tmp_path, name, "--seconds", "0.5")
    assert set(figures) == {"machine", "versions", "rows"}
    assert figures["versions"]["dapr"]
    assert sorted(row["name"] for row in figures["rows"]) == sorted(ROWS[name])
    for row in figures["rows"]:
        assert {"connections", "p50_ms", "p99_ms", "ratio_to_limit"} < set(row)
        assert 0 < row["p50_ms"] <= row["p99_ms"]
    assert 1.0 in [row["ratio_to_limit"] for row in figures["rows"]]


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", [parameter(name) for name in ROWS])
def test_a_bench_meets_its_targets(name: str, tmp_path: Path) -> None:
    rows = {row["name"]: row for row in bench(tmp_path, name, "--full", "--check")["rows"]}
    if name in GROWN:
        row, most = GROWN[name]
        assert rows[row]["ratio_to_limit"] <= most
    if name == "jobs":
        assert rows["pending_50000"]["scheduler_mib"] < 2_000
    if name == "pizza":
        assert rows["purged_10000"]["redis_keys"] < rows["finished_10000"]["redis_keys"]


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
