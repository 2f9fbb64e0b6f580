"""An order is started once, whatever happens in between."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ORDER, Customer

from kit.fakes.waiting import eventually


def start(client, **changes):
    return client.post("/start-order", json={**ORDER, **changes})


def problem_of(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    return answer.json()


def delivered(ada):
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=True)
    ada.until_ended()


def test_a_start_is_accepted(client):
    answer = start(client)
    assert answer.status_code == 202
    assert answer.json() == {"order_id": "123", "instance_id": "pizza-order-123", "accepted": "start"}


def test_a_running_order_is_not_started_again(ada, client, sidecar):
    ada.order()
    problem_of(start(client), 409, "ORDER_RUNNING")
    problem_of(start(client, size="small"), 409, "ORDER_RUNNING")
    assert len(sidecar.engine.scheduled) == 1


def test_of_many_starts_at_once_one_is_accepted(client, sidecar):
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: start(client), range(8)))
    assert statuses.count(202) == 1
    assert statuses.count(409) == 7
    assert len(sidecar.engine.scheduled) == 1


def test_a_finished_order_is_not_started_again_and_the_way_out_is_named(ada, client, sidecar):
    delivered(ada)
    body = problem_of(start(client), 409, "ORDER_FINISHED")
    assert "DELETE /orders/123" in body["detail"]
    assert len(sidecar.engine.scheduled) == 1


@pytest.mark.parametrize("stored_again", [False, True])
@pytest.mark.parametrize("purged", [False, True])
def test_a_deleted_order_may_be_started_again_as_a_new_run(ada, client, sidecar, purged, stored_again):
    delivered(ada)
    first = sidecar.document("start_123")["run"]
    if purged:
        sidecar.engine.purge("pizza-order-123")
    sidecar.peers.book["123"] = (404, {"status": 404, "detail": "deleted", "code": "ORDER_DELETED", "run": first})
    if stored_again:
        stored = {"order_id": "123", "status": "stored", "run": None, "ended_run": first, "final": False}
        sidecar.peers.book["123"] = (200, {**stored, "timeline": []})
        assert ada.state()["status"] == "stored"
    ada.order()
    second = sidecar.document("start_123")["run"]
    assert second != first
    ada.until("pending_validation")
    assert sidecar.peers.calls[-1][2]["run"] == second
    ids = [event["id"] for event in {json.dumps(one): one for one in sidecar.published()}.values()]
    assert len(set(ids)) == len(ids)


def test_an_order_that_was_deleted_before_is_not_taken_for_this_run(ada, client, sidecar):
    delivered(ada)
    sidecar.peers.book["123"] = (404, {"status": 404, "detail": "deleted", "code": "ORDER_DELETED", "run": "older"})
    problem_of(start(client), 409, "ORDER_FINISHED")


def test_a_purged_order_is_finished_too(ada, client, sidecar):
    delivered(ada)
    sidecar.engine.purge("pizza-order-123")
    run = sidecar.document("start_123")["run"]
    entry = {"order_id": "123", "status": "delivered", "step": "deliver_pizza", "attempt": 1, "run": run}
    sidecar.peers.book["123"] = (200, {**entry, "final": True, "timeline": []})
    problem_of(start(client), 409, "ORDER_FINISHED")


@pytest.mark.parametrize("heard", ["nothing", "not the end"])
@pytest.mark.parametrize("end", ["delivered", "cancelled", "by force"])
def test_a_purged_order_is_finished_also_if_pizza_order_never_heard_of_its_end(ada, client, sidecar, end, heard):
    if end == "delivered":
        delivered(ada)
    else:
        ada.order()
        ada.until("pending_validation")
        ada.post("/cancel-order", force=end == "by force")
        ada.until_ended()
    run = sidecar.document("start_123")["run"]
    for instance_id in list(sidecar.engine.instances):
        sidecar.engine.purge(instance_id)
    if heard == "not the end":
        entry = {"order_id": "123", "status": "cooking", "step": "cook_pizza", "attempt": 1, "run": run}
        sidecar.peers.book["123"] = (200, {**entry, "final": False, "timeline": []})
    problem_of(start(client), 409, "ORDER_FINISHED")


def test_an_order_is_finished_also_if_its_end_could_not_be_published(serve, ada, sidecar):
    sidecar.fail_publishing = 1_000
    ada.client = serve(rules={"publish_status": {"attempts": 2, "first_seconds": 0.01}})
    delivered(ada)
    sidecar.engine.purge("pizza-order-123")
    problem_of(start(ada.client), 409, "ORDER_FINISHED")


def test_the_end_of_an_earlier_run_that_is_told_late_does_not_finish_this_one(ada, sidecar):
    delivered(ada)
    final = next(given for name, given in sidecar.engine.activities if name == "publish_status")
    sidecar.engine.purge("pizza-order-123")
    sidecar.peers.book["123"] = (404, {"status": 404, "code": "ORDER_DELETED", "run": final["run"]})
    ada.order()
    ada.until("pending_validation")
    sidecar.engine.repeat("publish_status", final, "pizza-order-123")
    eventually(lambda: 99 in sidecar.engine.completed)
    assert not sidecar.document("start_123")["finished"]


def test_a_crash_between_claim_and_schedule_is_healed_by_asking_again(ada, client, sidecar):
    ada.order()
    ada.until("pending_validation")
    # What such a crash leaves behind: a claim, and no instance. A claim from before says no more than this.
    claim = sidecar.document("start_123")
    run = claim["run"]
    sidecar.write("start_123", {name: claim[name] for name in ("order", "customer", "run")})
    sidecar.engine.purge("pizza-order-123")
    problem_of(start(client, size="small"), 409, "ORDER_RUNNING")
    ada.order()
    assert sidecar.document("start_123")["run"] == run
    ada.until("pending_validation")


@pytest.mark.parametrize("why", ["no scheduler", "no engine"])
def test_a_start_after_a_deletion_that_failed_half_way_can_be_repeated(serve, ada, sidecar, why):
    ada.client = serve(call_timeout_seconds=1)
    delivered(ada)
    run = sidecar.document("start_123")["run"]
    sidecar.peers.book["123"] = (404, {"status": 404, "detail": "deleted", "code": "ORDER_DELETED", "run": run})
    if why == "no scheduler":
        sidecar.fail_jobs = True
    else:
        sidecar.engine.refuses_starts = True
    assert start(ada.client).status_code in (503, 504)
    claimed = sidecar.document("start_123")["run"]
    assert claimed != run
    sidecar.fail_jobs = sidecar.engine.refuses_starts = False
    ada.order()
    ada.until("pending_validation")
    assert sidecar.document("start_123")["run"] == claimed


def test_a_claim_whose_answer_was_lost_is_this_requests_own(ada, sidecar):
    sidecar.lose_answers = 1
    ada.order()
    assert len(sidecar.engine.scheduled) == 1
    ada.until("pending_validation")


def test_a_claim_over_a_deleted_one_whose_answer_was_lost_is_this_requests_own(ada, sidecar):
    delivered(ada)
    run = sidecar.document("start_123")["run"]
    sidecar.peers.book["123"] = (404, {"status": 404, "detail": "deleted", "code": "ORDER_DELETED", "run": run})
    sidecar.lose_answers = 1
    ada.order()
    assert len(sidecar.engine.scheduled) == 2


def test_while_the_engine_does_not_answer_a_start_fails_and_can_be_repeated(serve, sidecar):
    client = serve(call_timeout_seconds=1)
    sidecar.engine.down.set()
    answer = start(client)
    assert answer.status_code == 504
    assert answer.json()["dependency"] == "Dapr workflow engine"
    sidecar.engine.down.clear()
    # It may have been scheduled all the same.
    eventually(lambda: start(client).status_code in (202, 409))
    Customer(client).until("pending_validation")
    assert sidecar.peers.asked() == ["order", "cook"]


def test_a_finished_start_is_not_decided_without_pizza_order(ada, client, sidecar):
    delivered(ada)
    sidecar.peers.book["123"] = (500, {"errorCode": "ERR_DIRECT_INVOKE", "message": "no such app"})
    answer = start(client)
    assert answer.status_code == 503
    assert (answer.json()["dependency"], answer.json()["errorCode"]) == ("pizza-order", "ERR_DIRECT_INVOKE")
