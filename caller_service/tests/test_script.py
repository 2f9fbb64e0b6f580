"""`python main.py` is a script: it calls callee and prints the answer."""

import asyncio
import os
import re
import subprocess
import sys
import threading
import time

import pytest
from conftest import SERVICE

import script
from settings import Settings


def main_py(sidecar_port):
    variables = {**os.environ, "DAPR_HTTP_PORT": str(sidecar_port), "SIDECAR_WAIT_SECONDS": "0.3"}
    return subprocess.run(
        [sys.executable, "main.py"], cwd=SERVICE, env=variables, capture_output=True, text=True, timeout=30
    )


def run(sidecar, **settings):
    asyncio.run(script.run(Settings(_env_file=None, **sidecar.ports, **settings)))


def test_calls_once_for_dapr_user(sidecar, callee):
    done = main_py(sidecar.http_port)
    assert done.stdout == 'Response from callee: {"message": "Hello, Dapr User from callee-app!"}\n'
    assert (done.returncode, done.stderr) == (0, "")
    assert [path for path, _ in callee.calls] == ["/greet/Dapr%20User"]


def test_without_a_sidecar_it_says_so_in_one_sentence_and_fails():
    done = main_py(sidecar_port=1)
    assert done.returncode == 1
    assert re.fullmatch(r"The Dapr sidecar at 127\.0\.0\.1:1 cannot be reached .+\n", done.stderr)
    assert done.stdout == ""


def test_with_test_retry_calls_five_times_with_a_pause(sidecar, callee, capsys):
    started = time.monotonic()
    run(sidecar, test_retry=True, test_retry_pause_seconds=0.05)
    assert time.monotonic() - started >= 4 * 0.05
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f'Attempt {number} response: {{"message": "Hello, RetryTester_{number} from callee-app!"}}'
        for number in range(1, 6)
    ]
    # Each is a new request, so callee counts its attempts separately.
    assert len({headers["x-request-id"] for _, headers in callee.calls}) == 5


def test_waits_for_a_sidecar_that_is_still_starting(sidecar, callee, capsys):
    sidecar.ready = False
    threading.Timer(0.3, setattr, (sidecar, "ready", True)).start()
    run(sidecar)
    assert "Hello, Dapr User" in capsys.readouterr().out


def test_gives_up_on_a_sidecar_that_does_not_get_ready(sidecar):
    sidecar.ready = False
    with pytest.raises(SystemExit, match="is not ready: it answers 500"):
        run(sidecar, sidecar_wait_seconds=0.1)


def test_a_call_that_fails_is_told_and_makes_the_script_fail(sidecar, callee):
    callee.status, callee.body = 500, b'{"detail": "no"}'
    with pytest.raises(SystemExit, match=r"^The call for Dapr User failed: callee-app answered 500: no$"):
        run(sidecar)
