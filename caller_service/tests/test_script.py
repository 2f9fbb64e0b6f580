"""`python main.py` is a script: it calls callee and prints what it answered."""

import json
import os
import re
import subprocess
import sys
import time

import pytest
from conftest import SERVICE


def run(sidecar_port, **environment):
    variables = {**os.environ, "DAPR_HTTP_PORT": str(sidecar_port), "SIDECAR_WAIT_SECONDS": "0.5", **environment}
    return subprocess.run(
        [sys.executable, "main.py"], cwd=SERVICE, env=variables, capture_output=True, text=True, timeout=30
    )


def answers(output):
    return [json.loads(body) for body in re.findall(r"^Response from callee: (.*)$", output, re.MULTILINE)]


def test_calls_once_for_dapr_user(sidecar):
    done = run(sidecar.http_port)
    assert done.stdout == 'Response from callee: {"message": "Hello, Dapr User from callee-app!"}\n'
    assert (done.returncode, done.stderr) == (0, "")
    assert [path for path, _ in sidecar.calls] == ["/v1.0/invoke/callee-app/method/greet/Dapr%20User"]


def test_with_test_retry_calls_five_times_with_a_pause(sidecar):
    started = time.monotonic()
    done = run(sidecar.http_port, TEST_RETRY="true", TEST_RETRY_PAUSE_SECONDS="0.1")
    assert time.monotonic() - started >= 0.4
    assert answers(done.stdout) == [{"message": f"Hello, RetryTester_{n} from callee-app!"} for n in range(1, 6)]
    assert done.returncode == 0
    # Each is a request of its own, so callee counts its attempts apart.
    assert len({headers["x-request-id"] for _, headers in sidecar.calls}) == 5


@pytest.mark.parametrize("ready", [False, None])
def test_without_a_sidecar_it_says_so_in_one_sentence(sidecar, ready):
    sidecar.ready = bool(ready)
    done = run(sidecar.http_port if ready is False else 1)
    assert done.returncode == 1
    assert re.fullmatch(r"The Dapr sidecar at 127\.0\.0\.1:\d+ .+\n", done.stderr)
    assert done.stdout == ""


def test_a_call_that_fails_is_told_and_makes_the_script_fail(sidecar):
    sidecar.status, sidecar.body = 500, b'{"detail": "no"}'
    done = run(sidecar.http_port)
    assert done.returncode == 1
    assert done.stderr == "The call for Dapr User failed: callee-app answered 500: no\n"
