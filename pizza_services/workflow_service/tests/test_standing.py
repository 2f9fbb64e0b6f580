"""Where an order stands, and what each request does then: the table of docs/labs/4-pizza.md."""

import pytest
from conftest import ORDER
from test_steering import fail, hold_the_end, until_paused
from test_watchdog import JOB

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
    "LOST":         "E       200     E        E        E        202      E           compensate",
    "LOST_ENDED":   "FINISHED 200    FINISHED FINISHED FINISHED FINISHED FINISHED    unwatch",
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


@pytest.fixture(autouse=True)
def _is_lost_soon(monkeypatch):
    monkeypatch.setattr("kit.engine.instances.LOST_AFTER_READS", 3)


def run_of(sidecar):
    return sidecar.document("start_123")["run"]


def book(sidecar, status, final):
    entry = {"order_id": "123", "status": status, "step": "x", "attempt": 1, "run": run_of(sidecar), "timeline": []}
    sidecar.peers.book["123"] = (200, {**entry, "final": final})


def delete(sidecar):
    gone = {"status": 404, "detail": "deleted", "code": "ORDER_DELETED", "run": run_of(sidecar)}
    sidecar.peers.book["123"] = (404, gone)


def running(ada):
    ada.order()
    ada.until("pending_validation")


def ended(ada):
    running(ada)
    ada.post("/cancel-order")
    ada.until_ended()


def bring_to(standing, ada, sidecar):
    """Bring the order to this standing."""
    match standing:
        case "NEW":
            pass
        case "CLAIMED":
            running(ada)
            sidecar.engine.purge("pizza-order-123")
        case "NOT_BEGUN":
            sidecar.engine.holds_first_turns = True
            ada.order()
        case "RUNNING":
            running(ada)
        case "PAUSED":
            running(ada)
            ada.post("/pause-order")
            until_paused(ada)
        case "ENDING":
            running(ada)
            hold_the_end(ada, sidecar)
        case "RESTARTING":
            running(ada)
            fail(sidecar, "pizza-order-123")
        case "BROKEN_OFF":
            running(ada)
            fail(sidecar, "pizza-order-123", "TERMINATED")
        case "COMPENSATING":
            sidecar.peers.hold("recall")
            running(ada)
            ada.post("/cancel-order", force=True)
            eventually(lambda: "recall" in sidecar.peers.asked())
        case "ENDED":
            ended(ada)
        case "COMPENSATED":
            running(ada)
            ada.post("/cancel-order", force=True)
            ada.until_ended()
            eventually(lambda: ada.state()["status"] == "cancelled")
        case "PURGED":
            ended(ada)
            book(sidecar, "cancelled", final=True)
            sidecar.engine.purge("pizza-order-123")
        case "DELETED" | "DELETED_PURGED":
            ended(ada)
            delete(sidecar)
            if standing == "DELETED_PURGED":
                sidecar.engine.purge("pizza-order-123")
        case _:
            running(ada)
            book(sidecar, "delivered" if standing == "LOST_ENDED" else "pending_validation", standing == "LOST_ENDED")
            if standing == "LOST_DELETED":
                delete(sidecar)
            sidecar.engine.lost.add("pizza-order-123")


def outcome(request, answer, sidecar, before):
    """Name what the request did, in the words of the table."""
    if request == "watchdog":
        assert answer.status_code == 200, answer.text
        if "pizza-undo-123" in set(sidecar.engine.instances) - before:
            return "compensate"
        return "nothing" if JOB in sidecar.dapr.jobs else "unwatch"
    told = answer.json()
    code = told.get("code", "").removeprefix("ORDER_")
    if answer.status_code == 503:
        assert (told["dependency"], answer.headers["retry-after"]) == ("Dapr workflow engine", "5")
        return "E"
    if code == "FINISHED" and "half done" in told["detail"]:
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
