"""The lines of a log that say why a process ended, and the advice. The excerpts are from real runs."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from labctl.stack import ROOT, Stack
from labctl.up import causes, processes

STACK = Stack("causes", 10000)
DAPR = 'time="2026-12-01T02:50:11.454312008Z" level={} msg="{}" app_id=caller-app instance=vm scope=dapr.runtime ver=1'
LOGS = Path(__file__).parent / "logs"


def rows(tmp_path: Path, text: str) -> list[str]:
    log = tmp_path / "log"
    log.write_text(text.replace("{ROOT}", str(ROOT)))
    return causes.read(log)


COMMAND = "Mend its `command` in dapr.yaml and run this again."


@pytest.mark.parametrize(
    ("log", "first", "last", "advice"),
    [
        (
            "syntax",
            "main.py",
            "SyntaxError: '(' was never closed",
            "Mend callee_service/main.py, line 79, and run this",
        ),
        (
            "setting",
            "main.py",
            "  Input should be a valid integer",
            "Mend callee_service/main.py, line 21, and run this",
        ),
        ("flag", "No such option '--hots'", "Error: No such option", COMMAND),
        ("not-found", "uvicornn: not found", "sh: 1: exec: .venv/bin/uvicornn: not found", COMMAND),
        ("cli", "Port 16502 is not available", "❌  Error validating", "Mend dapr.yaml and run this again."),
        ("fatal", 'component "store" error', "Fatal error from runtime", "redis does not run: ./lab restart redis."),
        ("panic", "panic: interface conversion", "github.com/dapr/dapr/pkg/", "That is a fault of Dapr, see docs/"),
        ("redis", "Bad file format reading the", "Bad file format", "Mend that and run this again."),
        ("bind", "18002): address already in use", "[Errno 98] error", "Mend that and run this again."),
    ],
)
def test_the_cause_and_the_advice(tmp_path, monkeypatch, log, first, last, advice):
    monkeypatch.setattr(processes, "holder", lambda _: None)  # whatever runs on this machine
    said = causes.lines(rows(tmp_path, (LOGS / f"{log}.txt").read_text()))
    assert first in said[0]
    assert said[-1].startswith(last)
    assert len(said) <= 6
    assert causes.advice(said, STACK).startswith(advice)


def test_nobody_is_asked_to_mend_a_library():
    library = '  File "/x/.venv/lib/python3.11/site-packages/uvicorn/main.py", line 6, in run'
    assert causes.advice([library, "OSError: no"], STACK) == "Mend that and run this again."


def test_an_old_traceback_is_no_cause_of_a_kill(tmp_path):
    killed = "the last line\nThe App process exited with error code: signal: killed\n"
    assert (
        causes.lines(rows(tmp_path, (LOGS / "syntax.txt").read_text().rpartition("The App")[0] + killed))[-1]
        == "the last line"
    )


def test_a_log_is_read_from_where_this_start_began(tmp_path):
    log = tmp_path / "log"
    log.write_text("old\n")
    offset = log.stat().st_size
    with log.open("a") as more:
        more.write("\x1b[92mnew\x1b[0m\n")
    assert causes.read(log, offset) == ["new"]


def test_the_holder_of_a_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = f"Port {port} is held by "
        assert causes.advice([f"❌  … Port {port} is not available"], STACK).startswith(said)
        assert causes.advice([f"bind on address ('127.0.0.1', {port}): address already in use"], STACK).startswith(said)


def test_a_file_that_the_sidecar_ignores_is_found(tmp_path):
    bad = "Could not parse resiliency file resiliency.yaml: json: cannot unmarshal string"
    worse = (
        "daprd load Component error when parsing manifests yaml resource in /x/dapr-resources/statestore.yaml: line 12"
    )
    text = "\n".join([DAPR.format("error", bad), DAPR.format("warning", worse), DAPR.format("info", bad)])
    assert causes.ignored(rows(tmp_path, text)) == [bad, worse]
    assert causes.advice([bad], STACK) == "Mend components/resiliency.yaml and run this again."
    healthy = [DAPR.format("warning", "mTLS is disabled."), DAPR.format("error", "error sending a span to Zipkin")]
    assert causes.ignored(rows(tmp_path, "\n".join(healthy))) == []
