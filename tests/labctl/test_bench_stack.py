"""What a bench makes of its load generator's report, and how it keeps off what others run."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from labctl import bench, runfile
from labctl.bench import baselines, load
from labctl.errors import LabError
from labctl.make import setup
from labctl.stack import TEST_OFFSET, Stack


def fortio(codes: dict[str, int], sockets: int = 16) -> dict[str, Any]:
    """Return a report of fortio's, as far as it is read."""
    percentiles = [{"Percentile": 50, "Value": 0.0125}, {"Percentile": 99, "Value": 0.05}]
    return {
        "URL": "http://127.0.0.1:18001/greet/Ada",
        "ActualQPS": 1200.5,
        "RetCodes": codes,
        "SocketCount": sockets,
        "DurationHistogram": {"Percentiles": percentiles},
    }


def test_a_report_without_failures_is_read() -> None:
    assert load.read(fortio({"200": 2401}), 16) == load.Load(1200.5, 12.5, 50.0)


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ({"200": 2400, "502": 1}, "1 of 502"),
        ({"200": 9, "-1": 3}, "3 of no answer"),
        ({"204": 5}, "5 of 204"),
        ({}, "failed"),
    ],
)
def test_a_single_failed_request_is_no_figure(codes: dict[str, int], said: str) -> None:
    with pytest.raises(LabError, match=said):
        load.read(fortio(codes), 16)


def test_connections_that_are_not_kept_are_no_figure() -> None:
    with pytest.raises(LabError, match="40 were made for 16"):
        load.read(fortio({"200": 100}, sockets=40), 16)


@pytest.mark.parametrize("offset", ["0", "ten"])
def test_a_bench_keeps_off_what_a_user_runs(offset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PORT_OFFSET", offset)
    with pytest.raises(LabError, match="above 0"):
        bench.run("invocation", Console(file=io.StringIO()), None, 1)


def test_a_second_bench_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PORT_OFFSET", str(TEST_OFFSET))
    with setup.checkout_lock(f"bench-{TEST_OFFSET}"), pytest.raises(LabError, match="Another"):
        bench.run("invocation", Console(file=io.StringIO()), None, 1)


def test_a_baseline_has_ports_of_the_plans_form_that_no_app_has() -> None:
    stack = Stack()
    taken = {port for app in runfile.read_apps(stack) for port in app.ports.values()}
    for app in runfile.read_apps(stack, baselines.RUN_FILE):
        number = app.app_port - 8000
        assert list(app.ports.values()) == [8000 + number, 3500 + number, 4500 + number, 5500 + number, 6500 + number]
        assert taken.isdisjoint(app.ports.values())


def test_the_baseline_runs_on_the_versions_of_caller() -> None:
    folder = baselines.FOLDER
    caller = (folder.parents[1] / "caller_service" / "requirements.txt").read_text()
    baseline = (folder / "requirements-dev.txt").read_text().splitlines()
    pins = [line for line in caller.splitlines() if "==" in line and not line.startswith(("#", " "))]
    assert pins
    assert [line for line in pins if line not in baseline] == []
