"""A step that fails is retried. When its retries are used up, the answer names the dependency that failed."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from conftest import say, stored, terminate

from kit.fakes.waiting import eventually

NO_WAY_THERE = {"errorCode": "ERR_DIRECT_INVOKE", "message": "10.1.2.3"}


def failed(answer, status, dependency):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["dependency"] == dependency
    return body


def fail_publishing(sidecar, times):
    left = [(grpc.StatusCode.INTERNAL, "error when publish to topic conversations in pubsub pubsub")] * times
    sidecar.refuse = lambda method, _: left.pop() if method == "PublishEvent" and left else None


@pytest.mark.parametrize("step", ["fetch_context", "generate_response", "save_conversation", "pass_turn"])
def test_a_step_that_fails_twice_is_retried(client, sidecar, step, engine):
    client.put(f"/faults/{step}", json={"fail_next": 2})
    assert say(client, message_id="m1").json()["status"] == "completed"
    assert engine.runs("save_conversation" if step == "pass_turn" else step) == 3
    # When the second half fails, the first one publishes again, under the same id.
    assert [each.event["id"] for each in sidecar.published] == ["m1"] * (3 if step == "pass_turn" else 1)


def test_the_code_of_a_failure_is_in_the_log_and_no_text_of_the_user(client, memory, caplog):
    memory.fails, memory.failure = 1, (500, NO_WAY_THERE)
    assert say(client, "I like tea.").json()["status"] == "completed"
    (record,) = (record for record in caplog.records if record.message == "step failed")
    assert (record.step, record.dependency, record.errorCode) == (
        "fetch_context", "agent-memory-service", "ERR_DIRECT_INVOKE",
    )  # fmt: skip
    assert "I like tea" not in caplog.text


@pytest.mark.parametrize(
    ("failure", "status", "detail", "attempts"),
    [
        ((503, {"detail": "secret reason"}), 503, "agent-memory-service answered 503.", 3),
        ((500, "<html>"), 502, "agent-memory-service answered 500.", 3),
        ((500, NO_WAY_THERE), 503, "agent-memory-service cannot be reached.", 3),
        ((200, {}), 502, "The answer of agent-memory-service is not the one that its contract promises.", 3),
        ((403, {}), 502, "agent-memory-service answered 403.", 1),
    ],
)
def test_memory_that_stays_away_is_named(client, sidecar, engine, failure, status, detail, attempts, memory):
    memory.fails, memory.failure = 99, failure
    body = failed(say(client, session_id="s1", message_id="m1"), status, "agent-memory-service")
    assert body["detail"] == detail
    shown = client.get(f"/chat/{body['instance_id']}").json()
    assert (shown["status"], shown["reply"], shown["error"]) == ("failed", None, detail)
    assert engine.runs("fetch_context") == attempts
    assert not sidecar.published
    assert stored(sidecar, "session:")["session:s1"]["queue"] == []


@pytest.mark.parametrize(
    ("step", "attempts", "dependency"),
    [("fetch_context", 3, "agent-memory-service"), ("save_conversation", 4, "pubsub")],
)
def test_a_call_past_its_time_limit_is_a_504(serve, sidecar, engine, memory, step, attempts, dependency):
    client = serve(sidecar_timeout_seconds=0.3)
    if step == "fetch_context":
        memory.delay = 0.6
    else:
        sidecar.before = lambda called, _: time.sleep(0.6) if called == "PublishEvent" else None
    body = failed(say(client), 504, dependency)
    assert body["detail"] == f"{dependency} did not answer within 0.3 s."
    assert engine.runs(step) == attempts


def test_a_failed_message_may_be_sent_again_and_its_first_workflow_stays_failed(client, sidecar, engine):
    client.put("/faults/fetch_context", json={"fail_next": 3})
    first = say(client, session_id="s1", message_id="m1").json()["instance_id"]
    engine.instances.clear()
    body = client.get(f"/chat/{first}").json()
    assert (body["status"], body["reply"]) == ("failed", None)
    assert body["error"] == "It failed; the details of that are no longer kept."
    # Sent again it is another workflow, and the first one stays failed.
    client.put("/faults/generate_response", json={"delay_ms": 300})
    second = say(client, wait=False, session_id="s1", message_id="m1").json()
    assert (second["status"], second["instance_id"]) == ("running", f"{first[:-1]}2")
    assert client.get(f"/chat/{first}").json()["status"] == "failed"
    again = say(client, session_id="s1", message_id="m1").json()
    assert (again["status"], again["instance_id"]) == ("completed", second["instance_id"])
    assert say(client, session_id="s1", message_id="m1").json() == again
    assert [each.data["message_id"] for each in sidecar.published] == ["m1"]


def test_a_failure_does_not_hold_up_the_next_message(client):
    client.put("/faults/generate_response", json={"delay_ms": 200, "fail_next": 3})
    first = say(client, wait=False, session_id="s1").json()["instance_id"]
    assert say(client, session_id="s1").status_code == 200
    assert client.get(f"/chat/{first}").json()["status"] == "failed"


@pytest.mark.parametrize("dependency", ["pubsub", "statestore"])
def test_a_dependency_that_goes_on_failing(client, sidecar, dependency):
    fail_publishing(sidecar, 99)
    sidecar.is_down = dependency == "statestore"
    body = failed(say(client, session_id="s1", message_id="m1"), 503, dependency)
    assert body["detail"] == f"{dependency} cannot be used now."
    fail_publishing(sidecar, 0)
    sidecar.is_down = False
    assert say(client, session_id="s1", message_id="m1").status_code == 200
    assert len(sidecar.published) == 1


def test_a_topic_of_another_app_is_not_retried(serve, sidecar, engine):
    client = serve(conversations_topic="other")
    denial = (grpc.StatusCode.PERMISSION_DENIED, "topic other is not allowed for app id chat-service")
    sidecar.refuse = lambda _, key: denial if key == "other" else None
    failed(say(client), 502, "pubsub")
    assert engine.runs("save_conversation") == 1


def test_an_engine_that_does_not_start_workflows(serve, engine):
    """While its scheduler is down, Dapr keeps the call waiting."""
    client = serve(schedule_seconds=0.2)
    engine.holds_starts.set()
    failed(say(client, session_id="s1", message_id="m1"), 504, "Dapr workflow engine")
    engine.holds_starts.clear()
    assert say(client, session_id="s1", message_id="m1").status_code == 200


def test_a_terminated_chat_is_a_conflict(client, sidecar, engine):
    client.put("/faults/generate_response", json={"delay_ms": 60_000})
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(say, client, message_id="m1")
        eventually(lambda: engine.runs("generate_response"))
        (instance,) = engine.instances
        terminate(sidecar, instance)
        assert answer.result().status_code == 409
    assert client.get(f"/chat/{instance}").json()["status"] == "terminated"


def test_neither_texts_nor_keys_are_logged(serve, sidecar, capsys, memory):
    sidecar.secrets["secretstore"]["USER_HASH_KEY"] = "hash-secret"
    client = serve(log_level="DEBUG", gemini_api_key="gemini-secret", dapr_api_token="token-secret")
    memory.memories["Junaid"] = {"name": "Junaid", "preferred_style": "formal", "user_summary": "summary-secret"}
    say(client, "text-secret", session_id="s1")
    memory.fails = 99
    assert say(client, "text-secret", session_id="s1").status_code == 503
    memory.fails = 0
    fail_publishing(sidecar, 99)
    assert say(client, "text-secret", session_id="s1").status_code >= 500
    captured = capsys.readouterr()
    assert "chat failed" in captured.out
    assert "secret" not in (captured.out + captured.err).replace("secretstore", "").replace("secret store", "")
