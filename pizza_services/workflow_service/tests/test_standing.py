"""Where an order stands, and what each request does then: the table of docs/labs/4-pizza.md."""

import pytest
from conftest import COMPENSATION, JOB, ORDER, WORKFLOW

from kit.fakes.waiting import eventually

REQUESTS = ("start", "show", "pause", "resume", "cancel", "force", "validate", "watchdog")
# 202 and 200: done. `E`: the engine cannot do it now, ask again (503). A word: refused with that code. The last column:
# what the watchdog does about the order.
TABLE = {
    "NEW":          "202     UNKNOWN 404      404      404      404      404         unwatch",
    "CLAIMED":      "202     UNKNOWN 404      404      404      404      404         unwatch",
    "NOT_BEGUN":    "RUNNING 200     E        202      202      E        NOT_WAITING nothing",
    "RUNNING":      "RUNNING 200     202      202      202      202      202         nothing",
    "PAUSED":       "RUNNING 200     202      202      202      202      202         nothing",
    "ENDING":       "RUNNING 200     FINISHED 202      FINISHED FINISHED NOT_WAITING nothing",
    "RESTARTING":   "RUNNING 200     E        E        E        202      E           nothing",
    "BROKEN_OFF":   "BROKEN  200     BROKEN   BROKEN   BROKEN   202      BROKEN      compensate",
    "COMPENSATING": "RUNNING 200     BROKEN   BROKEN   BROKEN   202      BROKEN      nothing",
    "ENDED":        "FINISHED 200    FINISHED FINISHED FINISHED FINISHED FINISHED    unwatch",
    "COMPENSATED":  "FINISHED 200    FINISHED FINISHED FINISHED FINISHED FINISHED    unwatch",
    "PURGED":       "FINISHED 200    FINISHED FINISHED FINISHED FINISHED FINISHED    unwatch",
    "PURGED_UNPUBLISHED": "FINISHED 200 FINISHED FINISHED FINISHED FINISHED FINISHED unwatch",
    "ENDED_RUN_AFTER_A_DELETED_ONE": "FINISHED 200 FINISHED FINISHED FINISHED FINISHED FINISHED unwatch",
    "LOST":         "E       200     E        E        E        202      E           compensate",
    "LOST_ENDED":   "FINISHED 200    FINISHED FINISHED FINISHED FINISHED FINISHED    unwatch",
    "LOST_ENDED_UNPUBLISHED": "FINISHED 200 FINISHED FINISHED FINISHED FINISHED FINISHED unwatch",
    "LOST_COMPENSATED": "FINISHED 200 FINISHED FINISHED FINISHED FINISHED FINISHED   unwatch",
    "LOST_RUN_AFTER_A_DELETED_ONE": "E E E   E        E        202      E           compensate",
    "DELETED":      "202     UNKNOWN 404      404      404      404      404         unwatch",
    "DELETED_PURGED": "202   UNKNOWN 404      404      404      404      404         unwatch",
    "LOST_DELETED": "LOST    UNKNOWN 404      404      404      404      404         unwatch",
}  # fmt: skip
ASK = {
    "start": lambda ada: ada.client.post("/start-order", json=ORDER),
    "show": lambda ada: ada.client.get("/orders/123"),
    "pause": lambda ada: ada.post("/pause-order"),
    "resume": lambda ada: ada.post("/resume-order"),
    "cancel": lambda ada: ada.post("/cancel-order"),
    "force": lambda ada: ada.post("/cancel-order", force=True),
    "validate": lambda ada: ada.post("/validate-pizza", approved=True),
    "watchdog": lambda ada: ada.client.post(f"/job/{JOB}", json="123"),
}


def bring_to(standing, ada, sidecar):
    """Bring the order to this standing."""
    if standing == "NOT_BEGUN":
        sidecar.engine.holds_first_turns = True
        ada.order()
    elif standing != "NEW":
        if standing == "COMPENSATING":
            sidecar.peers.hold("recall")
        ada.order_and_wait()
        bring_on_to(standing, ada, sidecar)


def bring_on_to(standing, ada, sidecar):
    """Bring a waiting order to this standing."""
    match standing:
        case "CLAIMED":
            sidecar.engine.purge(WORKFLOW)
        case "PAUSED":
            ada.pause()
        case "ENDING":
            hold_the_end(ada, sidecar)
        case "RESTARTING":
            sidecar.engine.end(WORKFLOW)
        case "BROKEN_OFF":
            sidecar.engine.end(WORKFLOW, "TERMINATED")
        case "COMPENSATING":
            ada.cancel(force=True)
            eventually(lambda: "recall" in sidecar.peers.asked())
        case "COMPENSATED":
            ada.cancel(force=True)
            ada.until_ended()
        case _ if "LOST" in standing:
            lose(ada, sidecar, standing)
        case _ if standing != "RUNNING":
            end(ada, sidecar, standing)


def hold_the_end(ada, sidecar):
    """Bring a waiting order to its end, whose status cannot be published yet."""
    sidecar.peers.hold("deliver")
    ada.decide()
    eventually(lambda: "deliver" in sidecar.peers.asked() and sidecar.events()[-1]["status"] == "delivering")
    sidecar.publishes.clear()
    sidecar.peers.release()
    ada.until("delivered")


def end(ada, sidecar, standing):
    """Bring a waiting order to its end, and to what may follow."""
    run = sidecar.claim["run"]
    ada.cancel()
    ada.until_ended()
    match standing:
        case "PURGED":
            sidecar.peers.know("cancelled", run, final=True)
        case "PURGED_UNPUBLISHED":
            sidecar.peers.know("cooking", run)
        case "DELETED" | "DELETED_PURGED":
            sidecar.peers.delete(run)
        case "ENDED_RUN_AFTER_A_DELETED_ONE":
            sidecar.peers.delete("older")
    if "PURGED" in standing:
        sidecar.engine.purge(WORKFLOW)


def lose(ada, sidecar, standing):
    """Let the engine lose the order's workflow."""
    run = sidecar.claim["run"]
    sidecar.peers.know("pending_validation", run)
    sidecar.engine.lost.add(WORKFLOW)
    match standing:
        case "LOST_ENDED":
            sidecar.peers.know("delivered", run, final=True)
        case "LOST_ENDED_UNPUBLISHED":
            sidecar.change_claim(finished=True)
        case "LOST_COMPENSATED":
            ada.be_checked()
            eventually(lambda: sidecar.engine.instances[COMPENSATION].ended)
        case "LOST_DELETED":
            sidecar.peers.delete(run)
        case "LOST_RUN_AFTER_A_DELETED_ONE":
            sidecar.peers.delete("older")


def outcome(request, answer, sidecar, before):
    """Name what the request did, in the words of the table."""
    if request == "watchdog":
        assert answer.status_code == 200, answer.text
        if COMPENSATION in set(sidecar.engine.instances) - before:
            return "compensate"
        assert set(sidecar.engine.instances) == before
        return "nothing" if JOB in sidecar.dapr.jobs else "unwatch"
    body = answer.json()
    code = body.get("code", "").removeprefix("ORDER_")
    if answer.status_code == 503:
        assert (body["dependency"], answer.headers["retry-after"]) == ("Dapr workflow engine", "5")
        return "E"
    if code == "FINISHED" and "half done" in body["detail"]:
        return "BROKEN"
    if code == "UNKNOWN" and request != "show":
        return str(answer.status_code)
    return code or str(answer.status_code)


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("standing", TABLE)
def test_what_a_request_does(ada, sidecar, standing, request_):
    bring_to(standing, ada, sidecar)
    before = set(sidecar.engine.instances)
    answer = ASK[request_](ada)
    expected = dict(zip(REQUESTS, TABLE[standing].split(), strict=True))
    assert outcome(request_, answer, sidecar, before) == expected[request_]
    sidecar.publishes.set()
    sidecar.peers.release()
