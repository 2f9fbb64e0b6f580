"""chat recovers from an engine that keeps calls waiting, and from a sidecar that accepts no worker.

kit/tests/test_engine_recovery.py has the cases. Here messages are answered afterwards.
"""

from conftest import eventually, say


def test_messages_are_answered_after_a_stalled_engine(serve, sidecar, engine):
    client = serve(engine_check_seconds=0.02, schedule_seconds=1)
    engine.blocked.set()
    # The start waits for a second at most. The engine may recover a moment before that.
    assert say(client, message_id="m1").status_code in (504, 200)
    eventually(lambda: not engine.blocked.is_set())
    eventually(lambda: client.get("/readyz").status_code == 200)
    answer = say(client, message_id="m1")
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert len(sidecar.published) == 1


def test_messages_are_answered_after_a_worker_lockout(serve, sidecar, engine):
    client = serve(engine_check_seconds=0.02, worker_lockout_seconds=0.2)
    sidecar.connected_workers = lambda: 0
    eventually(lambda: client.get("/readyz").status_code == 503)

    def restart() -> None:
        sidecar.connected_workers = engine.connected

    sidecar.at_shutdown = restart
    eventually(lambda: sidecar.shutdowns == 1)
    eventually(lambda: client.get("/readyz").status_code == 200)
    assert say(client).status_code == 200
