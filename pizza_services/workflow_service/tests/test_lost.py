"""Orders and their compensations of whose workflow the engine has lost a part. test_standing.py has their requests."""

import pytest
from conftest import COMPENSATION, JOB, ORDER, WORKFLOW

from kit.fakes.waiting import eventually


def lose(ada, sidecar):
    """Let a part of the order's state be missing, so that the engine does not load its workflow."""
    ada.order_and_wait()
    sidecar.engine.lost.add(WORKFLOW)
    sidecar.peers.know("pending_validation", sidecar.claim["run"])


@pytest.mark.parametrize(("by", "note"), [("watchdog", "the workflow's state is lost"), ("force", "enough")])
def test_a_lost_order_is_compensated_once(ada, sidecar, by, note):
    lose(ada, sidecar)
    assert ada.state()["status"] == "pending_validation"
    ada.be_checked() if by == "watchdog" else ada.cancel(force=True, reason="enough")
    assert JOB in sidecar.dapr.jobs
    event, run = sidecar.final_event(), sidecar.claim["run"]
    assert (event["status"], event["run"], event["note"]) == ("cancelled", run, note)
    assert sidecar.peers.asked()[-2:] == ["refund", "cancel"]
    eventually(lambda: sidecar.engine.instances[COMPENSATION].ended)
    sidecar.peers.know("cancelled", run, final=True)
    sidecar.engine.purge(COMPENSATION)
    assert ada.state()["result"]["final_status"] == "cancelled"
    ada.be_checked()
    assert sidecar.dapr.jobs == {}
    assert sidecar.peers.asked().count("refund") == 1


def lose_compensation(sidecar, instance_id):
    """Let the engine lose the compensating workflow in the middle of its work."""
    eventually(lambda: sidecar.peers.asked()[-1] == "recall")
    sidecar.engine.lost.add(instance_id)
    sidecar.peers.release()


@pytest.mark.parametrize("order_is_lost", [False, True])
def test_a_compensation_that_is_lost_is_followed_by_another(ada, sidecar, order_is_lost):
    sidecar.peers.hold("recall")
    if order_is_lost:
        lose(ada, sidecar)
        ada.be_checked()
    else:
        ada.order_and_wait()
        ada.cancel(force=True)
    lose_compensation(sidecar, COMPENSATION)
    assert ada.state()["status"] == "pending_validation"
    sidecar.peers.hold("recall")
    ada.be_checked()
    lose_compensation(sidecar, "pizza-undo2-123")
    ada.cancel(force=True)
    final = sidecar.final_event()
    assert (final["status"], final["run"]) == ("cancelled", sidecar.claim["run"])
    assert sidecar.peers.asked()[-2:] == ["refund", "cancel"]
    eventually(lambda: sidecar.engine.instances["pizza-undo3-123"].ended)
    ada.be_checked()
    assert sidecar.dapr.jobs == {}


def test_an_order_that_broke_off_and_whose_compensation_is_lost_can_be_shown(ada, client, sidecar):
    ada.order_and_wait()
    sidecar.engine.end(WORKFLOW, "TERMINATED")
    sidecar.engine.lost.add(COMPENSATION)
    assert ada.state()["result"]["error"] == "the workflow was terminated"
    assert '"force": true' in client.post("/start-order", json=ORDER).json()["detail"]
    assert '"force": true' in ada.post("/pause-order").json()["detail"]
