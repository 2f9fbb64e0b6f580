"""caller waits longer than its sidecar may need: a client that gives up first never sees the retry that would help."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from labctl.site import ROOT


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


@pytest.mark.lab("invocation")
@pytest.mark.parametrize("target", ["callee-app", "callee-grpc-app"])
def test_callers_time_limit_outlasts_the_policy(target: str) -> None:
    spec = yaml.safe_load((ROOT / "components/resiliency.yaml").read_text())["spec"]
    chosen = spec["targets"]["apps"][target]
    retry = spec["policies"]["retries"][chosen["retry"]]
    if retry["policy"] == "constant":
        pauses = retry["maxRetries"] * seconds(retry["duration"])
    else:  # starts at 500 ms, grows by half, give or take a half (Dapr's kit/retry defaults)
        pauses = sum(min(0.5 * 1.5**n * 1.5, seconds(retry["maxInterval"])) for n in range(retry["maxRetries"]))
    attempts = (retry["maxRetries"] + 1) * seconds(spec["policies"]["timeouts"][chosen["timeout"]])
    code = "import settings; print(settings.Settings(_env_file=None).call_timeout_seconds)"
    python = ROOT / "caller_service/.venv/bin/python"
    limit = subprocess.run(
        [python, "-c", code], cwd=ROOT / "caller_service", capture_output=True, text=True, check=True
    )
    assert float(limit.stdout) > attempts + pauses
