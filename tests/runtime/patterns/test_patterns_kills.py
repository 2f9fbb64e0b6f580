"""kill -9 of the app and of its sidecar with a run of each pattern in flight: nothing is lost or done twice."""

from __future__ import annotations

import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.patterns.conftest import AFTER_A_KILL, APP, SOON

pytestmark = pytest.mark.lab("patterns")

# The step during which the kill happens, and all deeds of the run in the end.
RUNS = {
    "chaining": ({}, "hotel", ["flight", "hotel", "car"]),
    "fan_out": ({"shops": 3, "at_once": 1}, "shop-2", ["shop-1", "shop-2", "shop-3", "save"]),
    "monitor": ({"delivered_after": 2, "every_seconds": 0.1}, "look-2", ["look-1", "look-2"]),
    "approval": ({"limit_seconds": 4}, "ask", ["ask", "expire"]),
    "children": ({"stops": ["A"]}, "play-1", ["travel-1", "play-1"]),
    "saga": (
        {"fail": {"hotel": 9}, "attempts": 1},
        "cancel_hotel",
        ["flight", "cancel_hotel", "cancel_flight"],
    ),
    "retries": ({"fail": {"quote": 1}}, "quote", ["quote"]),
    "multi_app": ({}, "contract", ["contract"]),
    "versioning": ({}, "proofread", ["write", "proofread", "send"]),
}


@pytest.mark.parametrize("sidecar", [False, True], ids=["the app", "its sidecar"])
def test_each_pattern_survives_a_kill_of(lab, sidecar):
    runs = {pattern: lab.start(pattern, seconds=1.2, **fields) for pattern, (fields, _, _) in RUNS.items()}
    for pattern, (_, step, _) in RUNS.items():
        assert wait_until(lambda run=runs[pattern], step=step: step in lab.show(run)["attempts"], SOON), pattern
    control.kill(lab.stack, APP, sidecar=sidecar)
    control.restart(lab.stack, APP, sidecar=sidecar, keep_sidecar=not sidecar)
    assert wait_until(lambda: "proofread" in lab.show(runs["versioning"])["deeds"], AFTER_A_KILL)
    lab.raise_event(runs["versioning"], "signature", by="Ada")
    repeated = 0
    for pattern, (fields, _, deeds) in RUNS.items():
        run = lab.end_of(runs[pattern], AFTER_A_KILL)
        assert (run["status"], run["deeds"]) == ("completed", deeds), run
        planned = sum(fields.get("fail", {}).values()) + len(deeds)
        repeated += sum(run["attempts"].values()) > planned
    assert repeated, "the kill interrupted nothing"
