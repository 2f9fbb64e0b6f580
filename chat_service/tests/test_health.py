"""Readiness, and the life of the process beside a sidecar or an engine that fails."""

import grpc
import pytest
from conftest import say

from kit.fakes.waiting import eventually


def test_it_starts_before_its_sidecar_and_is_ready_after_it(serve, sidecar):
    sidecar.ready = False
    client = serve()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "is not ready" in answer.json()["detail"]
    assert say(client).status_code == 503
    sidecar.ready = True
    eventually(lambda: client.get("/readyz").status_code == 200)
    assert say(client).status_code == 200


@pytest.mark.parametrize("other", ["another key for hashes", None], ids=["for hashes", "for values"])
def test_it_is_not_ready_with_other_keys_than_its_values_were_written_with(serve, sidecar, other):
    eventually(lambda: serve().get("/readyz").status_code == 200)
    words = (grpc.StatusCode.INTERNAL, "fail to get x: cipher: message authentication failed")
    if other:
        sidecar.secrets["secretstore"]["USER_HASH_KEY"] = other
    else:
        sidecar.refuse = lambda method, _: words if method == "GetState" else None
    client = serve()
    eventually(lambda: "written with another key" in client.get("/readyz").text)
    assert client.get("/readyz").status_code == 503
    assert "./lab down --forget" in client.get("/readyz").json()["detail"]


def test_it_is_not_ready_without_the_key_for_users_hashes(serve, sidecar):
    del sidecar.secrets["secretstore"]["USER_HASH_KEY"]
    client = serve()
    eventually(lambda: "USER_HASH_KEY" in client.get("/readyz").text)
    answer = say(client)
    assert answer.status_code == 502
    assert answer.json()["detail"] == "USER_HASH_KEY is in none of secretstore, envsecretstore."
    sidecar.secrets["envsecretstore"]["USER_HASH_KEY"] = "late"
    eventually(lambda: client.get("/readyz").status_code == 200)
    assert say(client).status_code == 200


def test_faults_can_be_read_and_cleared(client, serve):
    assert serve().put("/faults/pass_turn", json={}).status_code == 404, "off unless switched on"
    assert client.put("/faults/pass_turn", json={"fail_next": 2}).json() == {"fail_next": 2, "delay_ms": 0}
    assert client.get("/faults").json() == {"pass_turn": {"fail_next": 2, "delay_ms": 0}}
    assert client.delete("/faults").status_code == 204
    assert client.get("/faults").json() == {}
    assert client.put("/faults/nothing", json={}).status_code == 422
    assert client.put("/faults/pass_turn", json={"fail": 1}).status_code == 422


def test_a_page_of_the_readers_own_may_ask(client):
    asked = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
    allowed = client.options("/chat/", headers={**asked, "access-control-request-headers": "content-type"})
    assert allowed.headers["access-control-allow-origin"] == "http://localhost:3000"
    other = client.options("/chat/", headers={**asked, "origin": "http://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_the_sidecar_is_shown_the_api_token(serve, sidecar, engine):
    client = serve(dapr_api_token="s3cret")
    assert say(client).status_code == 200
    assert sidecar.tokens | engine.tokens == {"s3cret"}


# kit/tests/test_engine_recovery.py has the cases of a recovery. Here messages are answered afterwards.
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
