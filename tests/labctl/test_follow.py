"""./lab logs -f: lines of apps and sidecars, readable and in the order of time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from labctl.up.follow import follow, of_app, of_sidecar

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
APP = "== APP - callee-app == "
SIDECAR = 'time="2026-01-02T03:04:05.123456789Z" level={level} msg="{msg}" app_id=caller-app {more} ver=1.18.1'


def app_line(message: str, second: int = 5, **more: object) -> str:
    record = {"level": "INFO", "logger": "x", "message": message, "time": f"2026-01-02T03:04:{second:02}+00:00"}
    return f"{APP}{json.dumps(record | more)}\n"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (app_line("job fired", job_name="report", trace_id="ab", app_id="jobs"), "job fired job_name=report"),
        (app_line("it failed", exception="Traceback …\nValueError: x"), "it failed ValueError: x"),
        (f'{APP}  File "main.py", line 60\n', '  File "main.py", line 60'),
        (f"{APP}[1, 2]\n", "[1, 2]"),
        (app_line("no zone", time="2026-01-02T03:04:05"), "no zone"),
        (f'{APP}{{"event": "greeted", "time": "2026-01-02T03:04:05Z"}}\n', "event=greeted"),
        (f"{APP}\n", None),
    ],
)
def test_a_line_of_an_app_is_its_message_and_facts(raw: str, shown: str | None) -> None:
    line = of_app("callee-app", raw, NOW)
    assert (line and line.text) == shown
    assert line is None or line.at == NOW or line.at == NOW.replace(tzinfo=None).astimezone()


CALL, RETRY = "→ InvokeService/callee-app 200 6 ms", "Error processing operation endpoint[a, b]. Retrying in 5s…"
DAPR = "/dapr.proto.runtime.v1.Dapr"


@pytest.mark.parametrize(
    ("level", "msg", "more", "shown"),
    [
        ("info", "HTTP API Called", "code=200 duration=6 method=InvokeService/callee-app", CALL),
        ("info", "gRPC API Called", f"code=0 duration=2 method={DAPR}/SaveState", "→ SaveState ok 2 ms"),
        ("info", "gRPC API Called", f"code=14 duration=2 method={DAPR}/SaveState", "→ SaveState failed 2 ms"),
        ("info", "HTTP API Called", "code=200 duration=0 method=GetMetadata", None),
        ("info", "gRPC API Called", "code=0 duration=0 method=/TaskHubSidecarService/Hello", None),
        ("warning", RETRY, "", f"sidecar: {RETRY}"),
        ("error", 'it said \\"no\\"', "", 'sidecar: it said "no"'),
        ("warning", "mTLS is disabled.", "", None),
    ],
)
def test_a_line_of_a_sidecar_is_a_call_a_retry_or_an_error(level: str, msg: str, more: str, shown: str | None) -> None:
    line = of_sidecar("caller-app", SIDECAR.format(level=level, msg=msg, more=more))
    assert (line and line.text) == shown


@pytest.mark.parametrize("raw", ["time=5s level=error", "panic: it ended", 'level=error msg="no time"'])
def test_a_line_that_is_not_a_sidecars_own_is_left_out(raw: str) -> None:
    assert of_sidecar("caller-app", raw) is None


def test_lines_of_several_logs_are_in_order_and_new_ones_follow_across_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labctl.up.follow.GATHER", 2)  # a busy machine starts two `tail` that far apart
    first, second, link = tmp_path / "first.log", tmp_path / "second.log", tmp_path / "a.log"
    first.write_text(app_line("one", 1) + app_line("three", 3))
    link.symlink_to(first)
    other = tmp_path / "b.log"
    other.write_text(app_line("two", 2))
    nothing = tmp_path / "nothing.log"
    lines = follow({"a": (link, nothing), "b": (other, nothing)}, 20)
    assert [next(lines).text for _ in range(3)] == ["one", "two", "three"]
    monkeypatch.undo()
    second.write_text(app_line("after the restart", 9))
    link.unlink()
    link.symlink_to(second)
    line = next(lines)
    assert (line.app_id, line.text) == ("a", "after the restart")
    assert line.shown(["a", "b"]).plain.endswith("a after the restart")
    lines.close()
