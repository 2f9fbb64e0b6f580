"""An engine that keeps every call waiting, and what gets it out of that."""

from conftest import eventually, say

OFTEN = {"standstill_every_seconds": 0.02, "schedule_seconds": 1}


def test_a_standstill_is_ended_and_messages_are_answered(serve, sidecar):
    client = serve(**OFTEN)
    sidecar.engine.blocked.set()
    # It waits for a second at most, and the standstill may be over a moment before that.
    assert say(client, message_id="m-1").status_code in (504, 200)
    eventually(lambda: not sidecar.engine.blocked.is_set())
    eventually(lambda: sidecar.engine.workers == 2)
    eventually(lambda: client.get("/readyz").status_code == 200)
    answer = say(client, message_id="m-1")
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert len(sidecar.published) == 1


def test_without_placement_the_worker_stays(serve, sidecar):
    client = serve(**OFTEN)
    sidecar.is_placed = False
    sidecar.engine.blocked.set()
    assert say(client).status_code == 504
    begun = sidecar.engine.pings
    eventually(lambda: sidecar.engine.pings > begun + 2)
    assert sidecar.engine.workers == 1
    sidecar.engine.blocked.clear()
    assert eventually(lambda: say(client).status_code == 200)


def test_an_engine_that_answers_is_left_alone(serve, sidecar):
    serve(**OFTEN)
    eventually(lambda: sidecar.engine.pings > 5)
    assert sidecar.engine.workers == 1
