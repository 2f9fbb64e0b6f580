"""When a step fails: it is tried again, and when that does not help the user learns what failed, and where."""

import pytest
from conftest import engine_call, say


def failed(answer, status, dependency):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["dependency"] == dependency
    return body


@pytest.mark.parametrize("step", ["fetch_context", "generate_response", "save_conversation", "pass_turn"])
def test_a_step_that_fails_twice_is_tried_again(client, sidecar, step):
    client.put(f"/faults/{step}", json={"fail_next": 2})
    assert say(client, message_id="m1").json()["status"] == "completed"
    # A retry is the same task for the engine's history, started anew.
    assert sidecar.engine.runs("save_conversation" if step == "pass_turn" else step) == 3
    # What was published before a second half that failed is published again, under the same id.
    assert [metadata["cloudevent.id"] for _, _, metadata in sidecar.published] == ["m1"] * (
        3 if step == "pass_turn" else 1
    )


def test_memory_that_comes_back_is_not_noticed(client, sidecar):
    sidecar.memory_fails = 2
    sidecar.memories["Junaid"] = {"name": "Junaid", "preferred_style": "formal", "user_summary": "Likes tea."}
    assert say(client).json()["reply"].startswith("Greetings, Junaid!")


@pytest.mark.parametrize(
    ("told", "status", "detail"),
    [
        ((503, b'{"detail": "secret reason"}'), 503, "it answered 503."),
        ((500, b"<html>"), 502, "it answered 500."),
        (
            (500, b'{"errorCode": "ERR_DIRECT_INVOKE", "message": "10.1.2.3"}'),
            503,
            "it cannot be reached (ERR_DIRECT_INVOKE).",
        ),
        ((200, b"{}"), 502, "its answer is not what its contract promises."),
        ((200, b"not json"), 502, "its answer is not what its contract promises."),
        ((403, b"{}"), 502, "it answered 403."),
    ],
)
def test_memory_that_stays_away_is_named(client, sidecar, told, status, detail):
    sidecar.memory_fails, sidecar.memory_status = 99, told
    body = failed(say(client, session_id="s1", message_id="m1"), status, "agent-memory-service")
    assert body["detail"] == f"agent-memory-service: {detail}"
    assert body["instance_id"].startswith("chat-")
    assert not sidecar.published
    assert sidecar.values("session:")["session:s1"]["queue"] == []


def test_what_another_attempt_would_not_mend_is_not_tried_again(client, sidecar):
    sidecar.memory_fails, sidecar.memory_status = 99, (422, b"{}")
    failed(say(client), 502, "agent-memory-service")
    assert sidecar.engine.runs("fetch_context") == 1


def test_a_step_past_its_time_limit_is_a_504(serve, sidecar):
    client = serve(fetch_seconds=0.1)
    sidecar.memory_delay = 0.3
    body = failed(say(client), 504, "agent-memory-service")
    assert body["detail"] == "agent-memory-service: it did not answer within 0.1 s."
    assert sidecar.engine.runs("fetch_context") == 3


@pytest.mark.parametrize(
    ("limit", "hangs", "dependency"),
    [("save_seconds", "publish_delay", "pubsub"), ("turn_seconds", "state_delay", "statestore")],
)
def test_saving_has_a_time_limit_for_each_of_its_parts(serve, sidecar, limit, hangs, dependency):
    client = serve(**{limit: 0.1, "turn_attempts": 1})
    setattr(sidecar, hangs, 0.3)
    body = failed(say(client), 504, dependency)
    assert body["detail"] == f"{dependency}: it did not answer within 0.1 s."
    assert sidecar.engine.runs("save_conversation") == 4


def test_the_failed_chat_can_be_asked_for(client, sidecar):
    sidecar.memory_fails = 99
    instance = say(client).json()["instance_id"]
    body = client.get(f"/chat/{instance}").json()
    assert (body["status"], body["reply"]) == ("failed", None)
    assert body["error"] == "agent-memory-service: it answered 503."


def test_a_failed_chat_stays_failed_when_dapr_has_removed_its_workflow(client, sidecar):
    client.put("/faults/fetch_context", json={"fail_next": 3})
    first = say(client, session_id="s1", message_id="m1").json()["instance_id"]
    sidecar.engine.instances.clear()
    body = client.get(f"/chat/{first}").json()
    assert (body["status"], body["reply"]) == ("failed", None)
    assert body["error"] == "It failed; the details of that are no longer kept."
    # Sent again it is another workflow; the first one's end is what it was.
    client.put("/faults/generate_response", json={"delay_ms": 60_000})
    second = say(client, wait=False, session_id="s1", message_id="m1").json()["instance_id"]
    assert client.get(f"/chat/{first}").json()["status"] == "failed"
    assert client.get(f"/chat/{second}").json()["status"] == "running"


def test_a_failed_message_may_be_sent_again(client, sidecar):
    client.put("/faults/fetch_context", json={"fail_next": 3})
    first = say(client, session_id="s1", message_id="m1")
    assert first.status_code == 503
    again = say(client, session_id="s1", message_id="m1").json()
    assert again["status"] == "completed"
    assert again["instance_id"] == first.json()["instance_id"].replace("-1", "-2")
    assert say(client, session_id="s1", message_id="m1").json() == again
    assert [data["message_id"] for _, data, _ in sidecar.published] == ["m1"]


def test_a_failure_does_not_hold_up_the_next_message(client, sidecar):
    client.put("/faults/generate_response", json={"delay_ms": 200, "fail_next": 3})
    first = say(client, wait=False, session_id="s1").json()["instance_id"]
    assert say(client, session_id="s1").status_code == 200
    assert client.get(f"/chat/{first}").json()["status"] == "failed"


def test_publishing_that_fails_for_a_while(client, sidecar):
    sidecar.publish_fails = 2
    assert say(client).status_code == 200
    assert len(sidecar.published) == 1


def test_publishing_that_goes_on_failing(client, sidecar):
    sidecar.publish_fails = 99
    body = failed(say(client, session_id="s1", message_id="m1"), 503, "pubsub")
    assert body["detail"] == "pubsub: Dapr answers INTERNAL for conversations."
    sidecar.publish_fails = 0
    assert say(client, session_id="s1", message_id="m1").status_code == 200
    assert len(sidecar.published) == 1


def test_a_topic_that_is_not_ours_is_not_tried_again(serve, sidecar):
    client = serve(conversations_topic="other")
    failed(say(client), 502, "pubsub")
    assert sidecar.engine.runs("save_conversation") == 1


def test_the_state_store_is_down(client, sidecar):
    sidecar.state_is_down = True
    failed(say(client, session_id="s1", message_id="m1"), 503, "statestore")
    assert not sidecar.engine.started
    sidecar.state_is_down = False
    assert say(client, session_id="s1", message_id="m1").status_code == 200


def test_an_engine_that_does_not_start_workflows(serve, sidecar):
    """So it is with Dapr while its scheduler is down: the call hangs."""
    client = serve(schedule_seconds=0.2)
    sidecar.engine.hold_starts = True
    failed(say(client, session_id="s1", message_id="m1"), 504, "Dapr workflow engine")
    sidecar.engine.release_starts()
    assert say(client, session_id="s1", message_id="m1").status_code == 200


def test_an_instance_that_is_read_while_it_is_written(client, sidecar):
    """Dapr then answers UNKNOWN; a moment later it does not."""
    instance = say(client).json()["instance_id"]
    sidecar.engine.torn_reads = 2
    assert client.get(f"/chat/{instance}").json()["status"] == "completed"
    assert sidecar.engine.torn_reads == 0


def test_a_terminated_chat_is_a_conflict(client, sidecar):
    client.put("/faults/generate_response", json={"delay_ms": 60_000})
    instance = say(client, wait=False).json()["instance_id"]
    engine_call(sidecar, "TerminateInstance", instanceId=instance)
    assert client.get(f"/chat/{instance}").json()["status"] == "terminated"


def test_neither_texts_nor_keys_are_logged(serve, sidecar, capsys):
    sidecar.secrets["secretstore"]["USER_HASH_KEY"] = "hash-secret"
    client = serve(log_level="DEBUG", gemini_api_key="gemini-secret", dapr_api_token="token-secret")
    sidecar.memories["Junaid"] = {"name": "Junaid", "preferred_style": "formal", "user_summary": "summary-secret"}
    say(client, "text-secret", session_id="s1")
    sidecar.memory_fails = 99
    assert say(client, "text-secret", session_id="s1").status_code == 503
    sidecar.memory_fails, sidecar.publish_fails = 0, 99
    assert say(client, "text-secret", session_id="s1").status_code >= 500
    captured = capsys.readouterr()
    assert "A chat failed." in captured.out
    assert "secret" not in (captured.out + captured.err).replace("secretstore", "").replace("secret store", "")
