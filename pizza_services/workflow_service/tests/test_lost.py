"""Orders and their undoings of whose workflow the engine has lost a part: none is stuck, and none is shown wrong."""

import pytest
from conftest import ORDER
from test_steering import fail
from test_watchdog import JOB, look

from kit.fakes.waiting import eventually


@pytest.fixture(autouse=True)
def _is_taken_for_lost_soon(monkeypatch):
    monkeypatch.setattr("kit.engine.instances.LOST_AFTER_READS", 3)


@pytest.fixture
def lost():
    """An order a part of whose workflow's state is missing, so that the engine does not load it."""

    def lose(ada, sidecar):
        ada.order()
        ada.until("pending_validation")
        sidecar.engine.lost.add("pizza-order-123")
        run = sidecar.document("start_123")["run"]
        entry = {"order_id": "123", "status": "pending_validation", "step": "validate_pizza", "attempt": 1, "run": run}
        sidecar.peers.book["123"] = (200, {**entry, "final": False, "timeline": []})
        return entry

    return lose


def test_an_order_whose_workflow_is_lost_is_undone(ada, sidecar, lost):
    entry = lost(ada, sidecar)
    assert ada.state()["status"] == "pending_validation"
    look(ada)
    assert JOB in sidecar.dapr.jobs
    event = eventually(lambda: (last := sidecar.events()[-1]).get("final") and last)
    assert (event["status"], event["run"], event["note"]) == ("cancelled", entry["run"], "the workflow's state is lost")
    assert sidecar.peers.asked()[-2:] == ["refund", "cancel"]
    sidecar.peers.book["123"] = (200, {**entry, "status": "cancelled", "final": True, "timeline": []})
    assert ada.state()["result"]["final_status"] == "cancelled"
    look(ada)
    assert sidecar.dapr.jobs == {}
    assert sidecar.peers.asked().count("refund") == 1


def test_an_order_that_had_come_to_its_end_before_it_was_lost_is_left_alone(ada, sidecar, lost):
    entry = lost(ada, sidecar)
    sidecar.peers.book["123"] = (200, {**entry, "status": "delivered", "final": True, "timeline": []})
    look(ada)
    assert sidecar.dapr.jobs == {}
    assert sidecar.peers.asked() == ["order", "cook"]
    assert ada.post("/cancel-order", force=True).json()["code"] == "ORDER_FINISHED"


def test_an_order_whose_end_only_its_claim_knows_is_left_alone(ada, sidecar, lost):
    lost(ada, sidecar)
    sidecar.write("start_123", sidecar.document("start_123") | {"finished": True})
    look(ada)
    assert sidecar.dapr.jobs == {}
    assert sidecar.peers.asked() == ["order", "cook"]
    assert ada.post("/cancel-order", force=True).status_code == 409


def test_force_cancels_an_order_that_is_lost(ada, sidecar, lost):
    lost(ada, sidecar)
    answer = ada.post("/validate-pizza", approved=True)
    assert (answer.status_code, answer.json()["dependency"]) == (503, "Dapr workflow engine")
    assert ada.post("/cancel-order", force=True, reason="enough").status_code == 202
    assert eventually(lambda: (last := sidecar.events()[-1]).get("final") and last)["note"] == "enough"


def asked_of(ada, client):
    """Return the status and code of each request about an order, force last."""
    answers = {
        "show": client.get("/orders/123"),
        "start": client.post("/start-order", json=ORDER),
        "validate": ada.post("/validate-pizza", approved=True),
        **{what: ada.post(f"/{what}-order") for what in ("pause", "resume", "cancel")},
        "force": ada.post("/cancel-order", force=True),
    }
    return {what: (answer.status_code, answer.json().get("code")) for what, answer in answers.items()}


@pytest.mark.parametrize("heard", [False, True])
def test_a_lost_order_that_was_undone_has_ended(ada, client, sidecar, lost, heard):
    entry = lost(ada, sidecar)
    look(ada)
    eventually(lambda: sidecar.engine.instances["pizza-undo-123"].ended)
    if heard:
        sidecar.peers.book["123"] = (200, {**entry, "status": "cancelled", "final": True, "timeline": []})
        sidecar.engine.purge("pizza-undo-123")
    finished = dict.fromkeys(("start", "validate", "force", "pause", "resume", "cancel"), (409, "ORDER_FINISHED"))
    assert asked_of(ada, client) == {"show": (200, None), **finished}
    assert sidecar.peers.asked().count("refund") == 1


def deleted(run):
    """Return pizza-order's answer about an order that was deleted with this run."""
    return (404, {"status": 404, "detail": "deleted", "code": "ORDER_DELETED", "run": run})


def test_a_lost_order_that_was_deleted_is_unknown_and_its_id_is_used_up(ada, client, sidecar, lost):
    entry = lost(ada, sidecar)
    sidecar.peers.book["123"] = deleted(entry["run"])
    unknown = dict.fromkeys(("show", "validate", "force", "pause", "resume", "cancel"), (404, "ORDER_UNKNOWN"))
    assert asked_of(ada, client) == {**unknown, "start": (409, "ORDER_LOST")}
    look(ada)
    assert sidecar.dapr.jobs == {}
    assert "pizza-undo-123" not in sidecar.engine.instances


def test_a_lost_order_is_not_taken_for_the_one_that_was_deleted_before(ada, client, sidecar, lost):
    lost(ada, sidecar)
    sidecar.peers.book["123"] = deleted("older")
    answers = asked_of(ada, client)
    # By force it is undone, and nothing else can be done with it.
    assert answers.pop("force") == (202, None)
    assert set(answers.values()) == {(503, None)}
    assert eventually(lambda: (last := sidecar.events()[-1]).get("final") and last)["status"] == "cancelled"


def lose_undoing(ada, sidecar, instance_id):
    """Let the engine lose the compensating workflow in the middle of its work."""
    eventually(lambda: sidecar.peers.asked()[-1] == "recall")
    sidecar.engine.lost.add(instance_id)
    sidecar.peers.release()


@pytest.mark.parametrize("order_is_lost", [False, True])
@pytest.mark.parametrize("again", ["look", "force"])
def test_an_undoing_that_is_lost_is_followed_by_another(ada, sidecar, lost, again, order_is_lost):
    ask = {"look": lambda: look(ada), "force": lambda: ada.post("/cancel-order", force=True).raise_for_status()}[again]
    sidecar.peers.hold("recall")
    if order_is_lost:
        lost(ada, sidecar)
        look(ada)
    else:
        ada.order()
        ada.until("pending_validation")
        ada.post("/cancel-order", force=True)
    lose_undoing(ada, sidecar, "pizza-undo-123")
    assert ada.state()["status"] == "pending_validation"
    sidecar.peers.hold("recall")
    ask()
    lose_undoing(ada, sidecar, "pizza-undo2-123")
    ask()
    eventually(lambda: "pizza-undo3-123" in sidecar.engine.instances)
    final = eventually(lambda: (last := sidecar.events()[-1]).get("final") and last)
    assert (final["status"], final["run"]) == ("cancelled", sidecar.document("start_123")["run"])
    assert sidecar.peers.asked()[-2:] == ["refund", "cancel"]
    if not order_is_lost:
        ended = ada.until_ended()
        assert (ended["status"], ended["instance_id"]) == ("cancelled", "pizza-undo3-123")
    eventually(lambda: sidecar.engine.instances["pizza-undo3-123"].ended)
    look(ada)
    assert sidecar.dapr.jobs == {}


def test_an_order_that_broke_off_and_whose_undoing_is_lost_can_be_shown(ada, client, sidecar):
    ada.order()
    ada.until("pending_validation")
    fail(sidecar, "pizza-order-123", "TERMINATED")
    sidecar.engine.lost.add("pizza-undo-123")
    ada.until_ended()
    assert '"force": true' in client.post("/start-order", json=ORDER).json()["detail"]
    assert '"force": true' in ada.post("/pause-order").json()["detail"]
