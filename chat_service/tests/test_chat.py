"""A message and its reply: the contract of POST /chat/ and GET /chat/{instance_id}."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import say, steps_of, stored

from kit.fakes.waiting import eventually


def test_a_message_is_answered(client, engine):
    answer = say(client, "I like tea", session_id="s1", message_id="m1")
    assert answer.status_code == 200
    body = answer.json()
    assert re.fullmatch("chat-[0-9a-f]{32}-1", body["instance_id"])
    assert (body["user_id"], body["status"]) == ("Junaid", "completed")
    assert body["reply"] == "Hi Junaid! I noted “I like tea”."
    assert body["metadata"]["model"] == "offline"
    assert (body["metadata"]["session_id"], body["metadata"]["message_id"]) == ("s1", "m1")
    output = json.loads(body["state"].pop("serialized_output"))
    assert output == {"reply": body["reply"], "model": "offline"}
    workflow = {"instance_id": body["instance_id"], "name": "chat_workflow", "runtime_status": "COMPLETED"}
    assert body["state"] == workflow
    assert steps_of(engine) == [("m1", "fetch_context"), (None, "generate_response"), ("m1", "save_conversation")]


def test_ids_that_were_not_given_are_made(client):
    first, second = say(client).json(), say(client).json()
    for name in ("session_id", "message_id"):
        assert re.fullmatch(r"[0-9a-f]{32}", first["metadata"][name])
        assert first["metadata"][name] != second["metadata"][name]
    assert first["metadata"]["timestamp"]


def test_timestamp_and_tags_come_back(client, sidecar):
    body = {"user_id": "Junaid", "text": "Hello", "tags": ["a", "b"], "metadata": {"timestamp": "2999-03-01T09:30:00Z"}}
    metadata = client.post("/chat/", json=body).json()["metadata"]
    assert (metadata["timestamp"], metadata["tags"]) == ("2999-03-01T09:30:00Z", ["a", "b"])
    # The event has the time of arrival: a client's clock that runs ahead must not bring a forgotten user back.
    assert sidecar.published[0].data["timestamp"] < "2999"


def test_the_event_has_the_turn(client, sidecar):
    say(client, "I like tea", session_id="s1", message_id="m1")
    (published,) = sidecar.published
    assert (published.pubsub, published.topic) == ("pubsub", "conversations")
    event = dict(published.event)
    data = event.pop("data")
    assert event.pop("time").endswith("+00:00")
    assert event == {
        "specversion": "1.0",
        "id": "m1",
        "source": "chat-service",
        "type": "ConversationUpdated",
        "datacontenttype": "application/json",
    }
    assert data.pop("timestamp").endswith("+00:00")
    assert data == {
        "user_id": "Junaid",
        "session_id": "s1",
        "event_type": "ConversationUpdated",
        "user_message": "I like tea",
        "assistant_reply": "Hi Junaid! I noted “I like tea”.",
        "message_id": "m1",
    }


def test_memory_is_asked_for_the_user_and_the_session_and_the_trace_goes_along(client, sidecar):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    body = {"user_id": "a.b_c~d@e-f", "text": "Hello", "metadata": {"session_id": "s1"}}
    assert client.post("/chat/", json=body, headers={"traceparent": trace}).status_code == 200
    (call,) = sidecar.invoked
    assert call.path == "/memories/a.b_c~d@e-f?session_id=s1&limit=20"
    assert call.headers["traceparent"] == trace
    assert sidecar.published[0].traceparent == trace


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_an_empty_text_is_refused(client, sidecar, text):
    answer = say(client, text)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("text: ")
    assert not sidecar.keys()


def body_with(**changed):
    return {"user_id": "Junaid", "text": "Hello", **changed}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "Hello"}, "user_id"),
        ({"user_id": "Junaid"}, "text"),
        (body_with(user_id=""), "user_id"),
        (body_with(user_id="x" * 129), "user_id"),
        (body_with(user_id="Jürgen"), "user_id"),
        (body_with(user_id="a/../b"), "user_id"),
        (body_with(user_id="a||b"), "user_id"),
        (body_with(user_id="Junaid\n"), "user_id"),
        (body_with(text="x" * 4001), "text"),
        (body_with(metadata={"session_id": "a b"}), "metadata.session_id"),
        (body_with(metadata={"session_id": "s" * 65}), "metadata.session_id"),
        (body_with(metadata={"message_id": "a:b"}), "metadata.message_id"),
        *(
            (body_with(metadata={"timestamp": each}), "metadata.timestamp")
            for each in ("yesterday", 0, 1.5, "1767225600")
        ),
        (body_with(tags=["x"] * 21), "tags"),
        (body_with(tags=["x" * 65]), "tags"),
    ],
)
def test_a_bad_message_is_refused_and_its_field_named(client, sidecar, body, field, engine):
    answer = client.post("/chat/", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not sidecar.keys()
    assert not engine.scheduled


@pytest.mark.parametrize("text", ["漢字 ✓ 🫖", "'; DROP TABLE users; --", "<script>", "a\u0000b", "x" * 4000])
def test_any_text_is_carried_as_it_is(client, sidecar, text):
    assert say(client, text).status_code == 200
    assert sidecar.published[0].data["user_message"] == text


def test_the_same_message_twice_is_answered_once(client, sidecar, engine):
    first = say(client, "I like tea", session_id="s1", message_id="m1").json()
    again = say(client, "I like coffee", session_id="s1", message_id="m1")
    assert (again.status_code, again.json()) == (200, first)
    assert say(client, message_id="m1").json() == first, "a repeat needs no session id"
    assert len(engine.scheduled) == len(sidecar.published) == 1


def test_the_same_message_at_once_is_answered_once(client, sidecar):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: say(client, session_id="s1", message_id="m1"), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({str(answer.json()) for answer in answers}) == 1
    assert {each.event["id"] for each in sidecar.published} == {"m1"}


def test_a_message_id_is_one_users_own_and_of_one_session(client):
    first, other = (say(client, user=user, session_id=user, message_id="m1").json() for user in ("Junaid", "Ada"))
    assert first["instance_id"] != other["instance_id"]
    assert other["reply"].startswith("Hi Ada!")
    answer = say(client, session_id="s2", message_id="m1")
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("metadata.message_id: ")


def test_a_reply_outlives_its_workflow(client, engine):
    first = say(client, session_id="s1", message_id="m1").json()
    engine.instances.clear()
    assert say(client, session_id="s1", message_id="m1").json() == first
    assert client.get(f"/chat/{first['instance_id']}").json() == first
    assert len(engine.scheduled) == 1


def test_a_repeat_starts_the_workflow_after_a_crash_between_claim_and_start(client, sidecar, engine):
    first = say(client, session_id="s1", message_id="m1").json()
    # As if the process had died right after the claim.
    ((key, claim),) = stored(sidecar, "message:").items()
    sidecar.put(key, {**claim, "answered": None}, ttl=86_400)
    del sidecar.values["statestore", "session:s1"]
    engine.instances.clear()
    again = say(client, session_id="s1", message_id="m1").json()
    assert again["instance_id"] == first["instance_id"]
    assert again["status"] == "completed"


@pytest.mark.parametrize(("wait_seconds", "wait"), [(10, False), (0.1, True)])
def test_without_a_reply_yet_it_is_a_202_and_the_reply_is_fetched_later(serve, wait_seconds, wait):
    client = serve(faults_enabled=True, wait_seconds=wait_seconds)
    client.put("/faults/generate_response", json={"delay_ms": 400})
    answer = say(client, wait=wait, session_id="s1", message_id="m1")
    body = answer.json()
    assert (answer.status_code, body["reply"], body["status"]) == (202, None, "running")
    assert body["metadata"]["model"] is None
    assert (body["state"]["runtime_status"], body["state"]["serialized_output"]) == ("RUNNING", None)
    where = answer.headers["location"]
    assert where == f"/chat/{body['instance_id']}"
    eventually(lambda: client.get(where).json()["status"] == "completed")
    assert client.get(where).json()["reply"] == "Hi Junaid! I noted “Hello”."
    assert say(client, wait=False, session_id="s1", message_id="m1").status_code == 200


@pytest.mark.parametrize(("instance", "status"), [("chat-" + "0" * 32 + "-1", 404), ("chat-1", 422), ("x" * 300, 422)])
def test_an_unknown_chat(client, instance, status):
    answer = client.get(f"/chat/{instance}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_keys_and_ids_have_nothing_of_a_user_and_only_claims_expire(client, sidecar, engine):
    say(client, user="Junaid", session_id="s1", message_id="m1")
    names = [*sidecar.keys(), *engine.instances]
    assert len(names) == 4
    assert not [name for name in names if "Junaid" in name or "m1" in name]
    ttls = {key.partition(":")[0]: value.ttl for (_, key), value in sidecar.values.items()}
    assert ttls == {"message": 86_400, "session": None, "user": None, "key-check": None}


def test_a_message_costs_few_calls_of_the_sidecar(client, sidecar):
    say(client, session_id="s1")
    sidecar.calls.clear()
    say(client, session_id="s1")
    methods = [method for method, _ in sidecar.calls]
    # The claim and the session are read and saved together: when the message arrives, and when it is answered.
    assert (methods.count("GetBulkState"), methods.count("GetState"), methods.count("PublishEvent")) == (2, 0, 1)
    assert methods.count("SaveState") == 4, "two calls with two keys each"
