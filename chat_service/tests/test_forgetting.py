"""When memory forgets a user, what chat has of that user goes too: workflows, replies to repeats, sessions."""

import re
from datetime import UTC, datetime

import grpc
import pytest
from conftest import say, stored

from kit.fakes.waiting import eventually
from kit.sidecar.secrets import user_hash
from once import register

JUNAID = user_hash("lab-key", "Junaid")


def event(user=JUNAID, session_ids=(), **changed):
    now = datetime.now(UTC).isoformat()
    data = {"event_type": "UserForgotten", "user_hash": user, "session_ids": list(session_ids), "timestamp": now}
    return {"specversion": "1.0", "type": "UserForgotten", "id": "e1", "source": "memory", "data": {**data, **changed}}


def forget(client, body):
    return client.post("/events/user-forgotten", json=body, headers={"content-type": "application/cloudevents+json"})


def test_nothing_of_the_user_stays_and_all_of_the_others_does(client, sidecar, engine):
    mine = [say(client, "my text", session_id=f"s{n % 2}").json()["instance_id"] for n in range(4)]
    other = say(client, "other text", user="Ada", session_id="s9").json()
    answer = forget(client, event())
    assert (answer.status_code, answer.json()) == (200, {"status": "SUCCESS"})
    assert list(engine.instances) == [other["instance_id"]]
    assert "Junaid" not in sidecar.everything()
    assert JUNAID not in sidecar.everything()
    assert sorted(key.partition(":")[0] for key in sidecar.keys("")) == ["message", "session", "user"]
    assert {client.get(f"/chat/{instance}").status_code for instance in mine} == {404}
    assert client.get(f"/chat/{other['instance_id']}").json() == other


def test_pages_of_a_session_go_too(client, sidecar, monkeypatch, engine):
    monkeypatch.setattr(register, "PAGE_SIZE", 2)
    for _ in range(7):
        say(client, session_id="s1")
    assert len(stored(sidecar, "session:")) == 4
    assert forget(client, event()).json() == {"status": "SUCCESS"}
    assert not sidecar.keys()
    assert not engine.instances


def test_sessions_that_only_memory_names(client, sidecar):
    say(client, user="Ada", session_id="s2")
    of_another_user = dict(sidecar.values)
    say(client, session_id="s1")
    del sidecar.values["statestore", f"user:{JUNAID}"]
    forget(client, event(session_ids=["s1", "s2", "never-heard-of"]))
    assert sidecar.values == of_another_user


def test_a_chat_in_flight_is_ended(client, sidecar, engine):
    client.put("/faults/generate_response", json={"delay_ms": 400})
    instance = say(client, wait=False, session_id="s1").json()["instance_id"]
    eventually(lambda: engine.runs("generate_response"))
    assert forget(client, event()).json() == {"status": "SUCCESS"}
    assert instance not in engine.instances
    assert not sidecar.keys()
    (job,) = sidecar.jobs.values()
    assert job["data"]["session_ids"] == ["s1"]


def test_a_workflow_that_the_engine_has_lost_holds_nothing_else_back(client, sidecar, engine):
    lost = say(client, session_id="s1").json()["instance_id"]
    say(client, session_id="s1")
    engine.lost.add(lost)
    assert forget(client, event()).json() == {"status": "SUCCESS"}
    assert not sidecar.keys()
    assert list(engine.instances) == [lost]


def test_the_user_may_come_back(client):
    say(client, "I like tea", session_id="s1", message_id="m1")
    forget(client, event())
    again = say(client, "What did we talk about?", session_id="s2", message_id="m1")
    assert again.json()["reply"] == "Hi Junaid! We have not talked about anything yet."


def test_the_stream_is_trimmed_by_a_job_that_names_nobody(serve, sidecar):
    client = serve(stream_ttl_seconds=15)
    say(client, session_id="s1")
    forget(client, event())
    ((name, job),) = sidecar.jobs.items()
    assert re.fullmatch(r"trim-conversations-[0-9a-f]{16}", name)
    assert job["dueTime"] == "17s"
    assert "Junaid" not in str(job)
    sidecar.published.clear()
    assert client.post(f"/job/{name}", json=job["data"]).status_code == 200
    # Enough for all that 50 turns a second add to the stream in the ten minutes of its TTL.
    assert len(sidecar.published) * job["repeats"] * 100 >= 30_000
    for published in sidecar.published:
        assert (published.topic, published.event["type"]) == ("conversations", "StreamTrimmed")
        assert sorted(published.data) == ["event_type", "timestamp"]


@pytest.mark.parametrize("failures", [0, 1])
@pytest.mark.parametrize("in_flight", ["activity", "request"])
def test_a_write_in_flight_is_swept_up(client, sidecar, in_flight, failures):
    if in_flight == "activity":
        client.put("/faults/pass_turn", json={"delay_ms": 10_000})
    say(client, wait=False, session_id="s1")
    eventually(lambda: sidecar.published)
    written = ("message:", "session:") if in_flight == "activity" else ("session:",)
    before = {at: value for at, value in sidecar.values.items() if at[1].startswith(written)}
    failing = [(grpc.StatusCode.UNAVAILABLE, "no scheduler")] * failures
    sidecar.refuse = lambda method, _: failing.pop() if method == "ScheduleJob" and failing else None
    answers = [forget(client, event()).json()["status"] for _ in range(failures + 1)]
    assert answers == ["RETRY"] * failures + ["SUCCESS"]
    ((name, job),) = sidecar.jobs.items()
    # On Redis a write with the ETag of a deleted key creates the key again.
    sidecar.values.update(before)
    assert client.post(f"/job/{name}", json=job["data"]).status_code == 200
    assert not sidecar.keys()


def test_a_user_that_is_back_is_not_swept_up(client, sidecar, engine):
    client.put("/faults/generate_response", json={"delay_ms": 60_000})
    say(client, wait=False, session_id="s1", message_id="m1")
    eventually(lambda: engine.runs("generate_response"))
    forget(client, event())
    client.delete("/faults")
    say(client, session_id="s1", message_id="m1")
    ((name, job),) = sidecar.jobs.items()
    client.post(f"/job/{name}", json=job["data"])
    assert {key.partition(":")[0] for key in sidecar.keys("")} == {"message", "session", "user"}


@pytest.mark.parametrize(
    "body", [{}, {"data": "x"}, event(user="Z" * 64), event(event_type="Other"), event(session_ids=["x"] * 10_001)]
)
def test_an_invalid_event_is_dropped(client, sidecar, body):
    assert forget(client, body).json() == {"status": "DROP"}
    assert not sidecar.jobs


def test_an_unknown_job(client):
    body = {"user_hash": JUNAID, "forgotten_at": "2026-01-01T00:00:00Z"}
    assert client.post("/job/other", json=body).status_code == 404
    assert client.post("/job/trim-conversations-x", json={}).status_code == 422


@pytest.mark.parametrize("path", ["/events/user-forgotten", "/job/trim-conversations-x"])
def test_only_dapr_may_call_these(serve, path):
    client = serve(app_api_token="s3cret")
    body = event() if "events" in path else {"user_hash": JUNAID, "forgotten_at": "2026-01-01T00:00:00Z"}
    assert client.post(path, json=body).status_code == 401
    assert client.post(path, json=body, headers={"dapr-api-token": "s3cret"}).status_code == 200
    assert say(client).status_code == 200, "the chat itself is open"


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PUT", "/generate_response"), ("DELETE", "")])
def test_the_fault_switches_want_the_token(serve, method, path):
    client = serve(app_api_token="s3cret", faults_enabled=True)
    body = {"fail_next": 1} if method == "PUT" else None
    assert client.request(method, f"/faults{path}", json=body).status_code == 401
    assert client.request(method, f"/faults{path}", json=body, headers={"dapr-api-token": "s3cret"}).is_success
