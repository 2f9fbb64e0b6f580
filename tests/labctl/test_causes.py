"""The lines of a log that say why a process ended, and the advice. The excerpts are from real runs."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from labctl.stack import ROOT, Stack
from labctl.up import causes

STACK = Stack("causes", 10000)
DAPR = 'time="2026-12-01T02:50:11.454312008Z" level={} msg="{}" app_id=caller-app instance=vm scope=dapr.runtime ver=1'
SYNTAX = f"""\
== APP - callee-app == Traceback (most recent call last):
== APP - callee-app ==   File "{ROOT}/callee_service/.venv/bin/uvicorn", line 10, in <module>
== APP - callee-app ==     sys.exit(main())
== APP - callee-app ==              ^^^^^^
== APP - callee-app ==   File "{ROOT}/callee_service/.venv/lib/python3.11/site-packages/uvicorn/main.py", line 6, in run
== APP - callee-app ==     config.load_app()
== APP - callee-app ==   File "<frozen importlib._bootstrap>", line 241, in _call_with_frames_removed
== APP - callee-app ==   File "{ROOT}/callee_service/main.py", line 79
== APP - callee-app ==     print(1
== APP - callee-app ==          ^
== APP - callee-app == SyntaxError: '(' was never closed
The App process exited with error code: exit status 1
"""
SETTING = f"""\
== APP - callee-app ==   File "{ROOT}/callee_service/main.py", line 21, in <module>
Traceback (most recent call last):
  File "{ROOT}/callee_service/.venv/bin/uvicorn", line 10, in <module>
    sys.exit(main())
  File "{ROOT}/callee_service/main.py", line 21, in <module>
    settings = Settings()
               ^^^^^^^^^^
  File "{ROOT}/callee_service/.venv/lib/python3.11/site-packages/pydantic_settings/main.py", line 247, in __init__
    super().__init__(
pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings
max_fails_before_success
  Input should be a valid integer [type=int_parsing, input_value='plenty', input_type=str]
The App process exited with error code: exit status 1
"""
FLAG = """\
== APP - callee-app == Usage: uvicorn [OPTIONS] APP
== APP - callee-app == Try 'uvicorn --help' for help.
== APP - callee-app == \n\
== APP - callee-app == Error: No such option '--hots'. (Did you mean one of: '--host', '--http', '--port'?)
The App process exited with error code: exit status 2
"""
CLI = """\
\u2139  Validating config and starting app "caller-app"
❌  Error validating run config for app "caller-app" present in /x/run/dapr.yaml: invalid configuration for \
MetricsPort. Port 16502 is not available

termination signal received: shutting down
"""
FATAL = "\n".join(
    [
        DAPR.format("info", "Dapr is shutting down"),
        DAPR.format("error", r"Failed to init component store (state.redis/v1): dial tcp 127.0.0.1:16379: connect: "
                    "connection refused"),
        DAPR.format("fatal", r"Fatal error from runtime: process component \"store\" error: dial tcp 127.0.0.1:16379: "
                    "connect: connection refused"),
        "The daprd process exited with error code: exit status 1",
    ]
)  # fmt: skip
PANIC = """\
panic: interface conversion: interface {} is float64, not string

goroutine 133 [running]:
github.com/dapr/dapr/pkg/runtime/subscription/postman/http.(*http).Deliver(0x233f34621200, {0x36a28b8, 0x233f34298f00})
\tgithub.com/dapr/dapr@v1.18.1/pkg/runtime/subscription/postman/http/http.go:89 +0x157b
The daprd process exited with error code: exit status 2

termination signal received: shutting down
Error exiting Dapr: exit status 2
"""
REDIS = """\
1200:C 01 Dec 2026 02:54:13.376 # WARNING Memory overcommit must be enabled! Without it, a background save may fail.
1200:C 01 Dec 2026 02:54:13.376 * Redis version=8.2.3, bits=64, commit=b5d43ceb, modified=0, pid=1200, just started
1200:M 01 Dec 2026 02:54:13.379 # Bad file format reading the append only file appendonly.aof.1.incr.aof: make a backup
"""
BIND = """\
== APP - caller-app == {"level": "INFO", "logger": "uvicorn.error", "message": "Application startup complete."}
== APP - caller-app == {"level": "ERROR", "logger": "uvicorn.error", "message": "[Errno 98] error while attempting to \
bind on address ('127.0.0.1', 18002): address already in use", "time": "2026-12-01T02:51:05.812857+00:00"}
== APP - caller-app == {"level": "INFO", "logger": "uvicorn.error", "message": "Application shutdown complete."}
The App process exited with error code: exit status 3
"""
NOT_FOUND = """\
sh: 1: exec: .venv/bin/uvicornn: not found
The App process exited with error code: exit status 127
"""


def rows(tmp_path: Path, text: str) -> list[str]:
    log = tmp_path / "log"
    log.write_text(text)
    return causes.read(log)


@pytest.mark.parametrize(
    ("text", "lines", "advice"),
    [
        (
            SYNTAX,
            [
                f'  File "{ROOT}/callee_service/main.py", line 79',
                "    print(1",
                "         ^",
                "SyntaxError: '(' was never closed",
            ],
            "Mend callee_service/main.py, line 79, and run this again.",
        ),
        (
            SETTING,
            [
                f'  File "{ROOT}/callee_service/main.py", line 21, in <module>',
                "    settings = Settings()",
                "               ^^^^^^^^^^",
                "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings",
                "max_fails_before_success",
                "  Input should be a valid integer [type=int_parsing, input_value='plenty', input_type=str]",
            ],
            "Mend callee_service/main.py, line 21, and run this again.",
        ),
        (
            FLAG,
            ["Error: No such option '--hots'. (Did you mean one of: '--host', '--http', '--port'?)"],
            "Mend its `command` in dapr.yaml and run this again.",
        ),
        (NOT_FOUND, [NOT_FOUND.splitlines()[0]], "Mend its `command` in dapr.yaml and run this again."),
        (CLI, [CLI.splitlines()[1]], "Mend dapr.yaml and run this again."),
        (
            FATAL,
            [
                'Fatal error from runtime: process component "store" error: dial tcp 127.0.0.1:16379: connect: '
                "connection refused"
            ],
            "redis does not run: ./lab restart redis.",
        ),
        (
            PANIC,
            [PANIC.splitlines()[0], "github.com/dapr/dapr/pkg/runtime/subscription/postman/http.(*http).Deliver"],
            "That is a fault of Dapr, see docs/dapr-faults.md. Run this again.",
        ),
        (
            REDIS,
            ["Bad file format reading the append only file appendonly.aof.1.incr.aof: make a backup"],
            "Mend that and run this again.",
        ),
        (
            BIND,
            ["[Errno 98] error while attempting to bind on address ('127.0.0.1', 18002): address already in use"],
            "Mend that and run this again.",
        ),
    ],
    ids=["syntax", "setting", "flag", "not found", "CLI", "fatal", "panic", "Redis", "bind"],
)
def test_the_cause_and_the_advice(tmp_path, text, lines, advice):
    found = causes.lines(rows(tmp_path, text))
    assert found == lines
    assert causes.advice(found, STACK) == advice


def test_an_old_traceback_is_no_cause_of_a_kill(tmp_path):
    killed = "the last line\nThe App process exited with error code: signal: killed\n"
    assert causes.lines(rows(tmp_path, SYNTAX.rpartition("The App")[0] + killed))[-1] == "the last line"


def test_a_log_is_read_from_where_this_start_began(tmp_path):
    log = tmp_path / "log"
    log.write_text(CLI)
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
