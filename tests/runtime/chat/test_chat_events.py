"""Events of the chat lab, on the real runtime: none is lost, none counts twice, and one that fails ends on a list."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.chat.conftest import CHAT, MEMORY, fresh
from tests.runtime.conftest import on_redis

pytestmark = pytest.mark.lab("chat")

BRIEF = Path(__file__).parent / "brief"
TURNS, SESSIONS = 1000, 10


def turn(user, session, number, began):
    return {
        "user_id": user,
        "session_id": session,
        "event_type": "ConversationUpdated",
        "user_message": f"Question {number}",
        "assistant_reply": f"Answer {number}",
        "message_id": f"{session}-{number}",
        "timestamp": (began + timedelta(milliseconds=number)).isoformat(),
    }


def deliver(lab, port, data):
    """Deliver an event to one replica of memory, as its sidecar does."""
    event = {"specversion": "1.0", "type": "ConversationUpdated", "id": data["message_id"], "source": CHAT}
    url = f"http://127.0.0.1:{port}/events/conversations"
    headers = {"content-type": "application/cloudevents+json"}
    answer = lab.http.post(url, json={**event, "datacontenttype": "application/json", "data": data}, headers=headers)
    # Dapr delivers again an event that was not accepted.
    return answer.status_code == 200 or deliver(lab, port, data)


@on_redis
def test_a_thousand_turns_twice_and_out_of_order_and_to_two_replicas_at_once(lab, replicas):
    user, sessions = fresh("ada"), [fresh("s") for _ in range(SESSIONS)]
    began = datetime.now(UTC)
    turns = [turn(user, sessions[number % SESSIONS], number, began) for number in range(TURNS)]
    told = turns * 2
    random.shuffle(told)
    ports = [lab.app(MEMORY).app_port, replicas[MEMORY].app_port]
    at_once = [(port, data) for data in random.sample(turns, TURNS // 5) for port in ports]
    with ThreadPoolExecutor(16) as pool:
        published = pool.map(lambda data: lab.publish(data, data["message_id"]), told)
        delivered = pool.map(lambda one: deliver(lab, *one), at_once)
        assert len(list(published)) == 2 * TURNS
        assert all(delivered)
    expected = {
        session: {f"{session}-{number}" for number in range(index, TURNS, SESSIONS)}
        for index, session in enumerate(sessions)
    }
    for session in sessions:
        lab.wait_for_turns(session, len(expected[session]), 120)
    # Until there is no event left that could add something.
    assert wait_until(lambda: backlog(lab) == 0, 60), backlog(lab)
    for session in sessions:
        kept = lab.turns(session)
        assert (len(kept), set(kept)) == (TURNS // SESSIONS, expected[session])
        assert len(lab.history(session)) == 2 * len(kept)


def test_an_event_with_the_five_taught_fields_is_stored_under_its_own_id_and_time(lab):
    user, session, began = fresh("ada"), fresh("s"), datetime.now(UTC)
    data = turn(user, session, 1, began)
    del data["message_id"], data["timestamp"]
    # Without metadata, so that Dapr gives the event its id and its time.
    lab.http.post(lab.sidecar(CHAT, "/v1.0/publish/pubsub/conversations"), json=data).raise_for_status()
    lab.wait_for_turns(session, 1)
    question, answer = lab.history(session)
    assert (question["content"], answer["content"]) == ("Question 1", "Answer 1")
    # Dapr's time is of whole seconds.
    assert began - timedelta(seconds=1) <= datetime.fromisoformat(question["timestamp"]) <= datetime.now(UTC)
    assert question["message_id"]


def backlog(lab):
    """Count the events of the stream that are not read, or not acknowledged yet."""
    (group,) = [dict(zip(one[::2], one[1::2], strict=True)) for one in lab.redis("XINFO", "GROUPS", "conversations")]
    return group[b"pending"] + group[b"lag"]


@pytest.fixture
def brief(lab):
    """Memory's sidecar with the policy of brief/: the sixth attempt is the last."""
    restart_sidecar(lab, resources=[BRIEF])
    yield lab
    restart_sidecar(lab)


def restart_sidecar(lab, **how):
    control.restart(lab.stack, MEMORY, sidecar=True, **how)
    # The app's gRPC channel reconnects a moment after the sidecar, and until then memory answers 503.
    assert wait_until(lambda: lab.http.get(lab.url(MEMORY, "/dead-letters")).is_success, 20)


@on_redis
def test_an_event_that_always_fails_is_a_dead_letter_and_is_replayed(brief):
    lab = brief
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    lab.memory_fails(fail_next=1_000_000)
    lab.say(user, "I like blue", session, message)
    assert wait_until(lambda: lab.dead_letters(message) != [], 20)
    (letter,) = lab.dead_letters(message)
    assert (lab.deliveries(message), letter["event_id"]) == (6, message)
    assert "retries were used up" in letter["reason"]
    assert lab.turns(session) == []
    lab.memory_fails()
    replay = lab.url(MEMORY, f"/dead-letters/{letter['id']}/replay")
    assert lab.http.post(replay).status_code == 202
    lab.assert_kept_once(session, [message])
    assert lab.dead_letters(message) == []
    assert lab.http.post(replay).status_code == 404
    assert "blue" in lab.say(user, "What did we talk about?", session)


@on_redis
def test_an_event_waits_for_memory_however_long_that_is_down(lab):
    """Only the app is down. Without health checks its sidecar would try in vain, and then have a dead letter."""
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    control.kill(lab.stack, MEMORY)
    lab.publish(turn(user, session, 1, datetime.now(UTC)), message)

    def given_up_on() -> bool:
        return any(key == b"conversations-dead" and message.encode() in value for key, value in lab.redis.everything())

    # Longer than all attempts take.
    assert not wait_until(given_up_on, 15, 0.5)
    control.restart(lab.stack, MEMORY, keep_sidecar=True)
    assert wait_until(lambda: len(lab.turns(session)) == 1, 40, 0.5)
    assert lab.dead_letters(message) == []
    # After this the first event of each topic is 15 s late, and no other test should wait for it.
    restart_sidecar(lab)


def test_an_event_that_is_invalid_is_a_dead_letter_at_once(lab):
    session, event_id = fresh("s"), fresh("m")
    data = turn(fresh("ada"), session, 1, datetime.now(UTC))
    lab.publish({**data, "timestamp": "never"}, event_id)
    assert wait_until(lambda: lab.dead_letters(event_id) != [], 20)
    (letter,) = lab.dead_letters(event_id)
    assert (lab.deliveries(event_id), letter["reason"][:9]) == (1, "timestamp")
    answer = lab.http.post(lab.url(MEMORY, f"/dead-letters/{letter['id']}/replay"))
    assert (answer.status_code, len(lab.dead_letters(event_id))) == (422, 1)
    assert lab.http.delete(lab.url(MEMORY, f"/dead-letters/{letter['id']}")).status_code == 204
    assert lab.dead_letters(event_id) == []
    assert lab.turns(session) == []
