"""An order is started once, whatever happens in between."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ORDER, WORKFLOW, Customer
from other_services import DOWN

from kit.fakes.waiting import eventually
from settings import Settings


def start(client, **changes):
    return client.post("/start-order", json={**ORDER, **changes})


def code_of(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_a_start_is_accepted(client):
    answer = start(client)
    assert answer.status_code == 202
    assert answer.json() == {"order_id": "123", "instance_id": "pizza-order-123", "accepted": "start"}


def test_of_many_starts_at_once_one_is_accepted(client, sidecar):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: start(client), range(8)))
    refused = [code_of(answer) for answer in answers if answer.status_code != 202]
    assert refused == [(409, "ORDER_RUNNING")] * 7
    assert len(sidecar.engine.scheduled) == 1


@pytest.mark.parametrize("stored_again", [False, True])
@pytest.mark.parametrize("purged", [False, True])
def test_a_deleted_order_may_be_started_again_as_a_new_run(ada, sidecar, purged, stored_again):
    ada.be_delivered()
    first = sidecar.claim["run"]
    if purged:
        sidecar.engine.purge(WORKFLOW)
    sidecar.peers.delete(first)
    if stored_again:
        sidecar.peers.know("stored", None, ended_run=first)
        assert ada.state()["status"] == "stored"
    ada.order_and_wait()
    second = sidecar.claim["run"]
    assert second != first
    assert sidecar.peers.calls[-1][2]["run"] == second
    assert len({event["id"] for event in sidecar.published()}) == len(sidecar.published())


def test_an_order_is_finished_also_if_its_end_could_not_be_published(serve, ada, sidecar):
    sidecar.failing["PublishEvent"] = 1_000
    ada.client = serve(rules={"publish_status": {"attempts": 2, "first_seconds": 0.01}})
    ada.be_delivered()
    sidecar.engine.purge(WORKFLOW)
    assert code_of(start(ada.client)) == (409, "ORDER_FINISHED")


def test_the_end_of_an_earlier_run_that_is_published_late_does_not_finish_this_one(ada, sidecar):
    ada.be_delivered()
    final = next(arguments for name, arguments in sidecar.engine.activities if name == "publish_status")
    sidecar.engine.purge(WORKFLOW)
    sidecar.peers.delete(final["run"])
    ada.order_and_wait()
    sidecar.engine.repeat("publish_status", final, WORKFLOW)
    eventually(lambda: 99 in sidecar.engine.completed)
    assert not sidecar.claim["finished"]


def test_a_start_that_crashed_between_claim_and_schedule_can_be_repeated(ada, client, sidecar):
    ada.order_and_wait()
    # What such a crash leaves behind: a claim, and no instance.
    run = sidecar.claim["run"]
    sidecar.engine.purge(WORKFLOW)
    assert code_of(start(client, size="small")) == (409, "ORDER_RUNNING")
    ada.order_and_wait()
    assert sidecar.claim["run"] == run


@pytest.mark.parametrize("down", ["scheduler", "engine"])
def test_a_start_that_failed_half_way_after_a_deletion_can_be_repeated(serve, ada, sidecar, down):
    ada.client = serve(call_timeout_seconds=1)
    ada.be_delivered()
    run = sidecar.claim["run"]
    sidecar.peers.delete(run)
    sidecar.failing["ScheduleJob"] = down == "scheduler"
    sidecar.engine.refuses_starts = down == "engine"
    assert start(ada.client).status_code in (503, 504)
    claimed = sidecar.claim["run"]
    assert claimed != run
    sidecar.engine.refuses_starts = False
    ada.order_and_wait()
    assert sidecar.claim["run"] == claimed


@pytest.mark.parametrize("down", ["pizzastatestore", "Dapr scheduler"])
def test_without_its_store_or_the_scheduler_nothing_is_started(ada, client, sidecar, down):
    sidecar.dapr.is_down = down == "pizzastatestore"
    sidecar.failing["ScheduleJob"] = 1
    answer = start(client)
    assert (answer.status_code, answer.json()["dependency"]) == (503, down)
    assert "redis" not in answer.text
    assert sidecar.engine.scheduled == []
    sidecar.dapr.is_down = False
    sidecar.failing.clear()
    ada.order_and_wait()


@pytest.mark.parametrize("deleted", [False, True])
def test_a_claim_whose_answer_was_lost_is_this_requests_own(ada, sidecar, deleted):
    if deleted:
        ada.be_delivered()
        sidecar.peers.delete(sidecar.claim["run"])
    sidecar.lose_answers = 1
    ada.order()
    assert len(sidecar.engine.scheduled) == 1 + deleted


def test_while_the_engine_does_not_answer_a_start_fails_and_can_be_repeated(serve, sidecar):
    client = serve(call_timeout_seconds=1)
    sidecar.engine.down.set()
    answer = start(client)
    assert (answer.status_code, answer.json()["dependency"]) == (504, "Dapr workflow engine")
    sidecar.engine.down.clear()
    # It may have been scheduled all the same.
    eventually(lambda: start(client).status_code in (202, 409))
    Customer(client, sidecar.peers).until("pending_validation")
    assert sidecar.peers.asked() == ["order", "cook"]


def test_a_finished_start_is_not_decided_without_pizza_order(ada, client, sidecar):
    ada.be_delivered()
    sidecar.peers.book["123"] = DOWN
    answer = start(client)
    assert answer.status_code == 503
    assert (answer.json()["dependency"], answer.json()["errorCode"]) == ("pizza-order", "ERR_DIRECT_INVOKE")


@pytest.mark.parametrize("limit", [{"record_retention_seconds": 600}, {"rules": {"deadline_seconds": 8_000_000}}])
def test_records_that_would_expire_while_an_order_runs_stop_the_start(limit):
    with pytest.raises(ValueError, match="RECORD_RETENTION_SECONDS must be more than"):
        Settings(_env_file=None, **limit)
