"""A forgotten user has left nothing readable in Redis when the stated time is over; all others keep everything."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.chat.conftest import CHAT, MEMORY, fresh

pytestmark = pytest.mark.lab("chat")

BRIEF = Path(__file__).parent / "brief"
TTL, SLACK, MARGIN = 15, 2, 15


@pytest.fixture
def brief(lab):
    """Both services with streams that keep an event for 15 s, and memory with less patience for events in flight."""
    apps = [
        lab.with_settings(CHAT, STREAM_TTL_SECONDS=str(TTL)),
        lab.with_settings(MEMORY, STREAM_TTL_SECONDS=str(TTL), FORGETTING_SLACK_SECONDS=str(SLACK)),
    ]
    with lab.otherwise(*apps, resources=[BRIEF]):
        yield lab


def found(lab, words):
    """Return the keys in Redis that have one of the words, by the word."""
    stored = list(lab.redis.everything())
    places = {word: [key for key, value in stored if word.encode() in key + value] for word in words}
    return {word: keys for word, keys in places.items() if keys}


def test_a_forgotten_user_is_gone_everywhere(brief):
    lab = brief
    user, name, other = fresh("junaid"), fresh("Junaid"), fresh("ada")
    said, others = [fresh("I-like-blue") for _ in range(6)], fresh("I-like-red")
    sessions, others_session, dead = [fresh("s") for _ in range(2)], fresh("s"), fresh("m")
    lab.know(user, name)
    instances = [lab.start(user, text, sessions[number % 2]) for number, text in enumerate(said[:4])]
    assert all(text in lab.wait_for_reply(instance) for text, instance in zip(said, instances, strict=False))
    lab.say(other, others, others_session)
    for session in sessions:
        lab.wait_for_turns(session, 2)
    # One that ends among the dead letters, and one whose workflow still runs when the user is forgotten.
    lab.publish({"user_id": user, "session_id": sessions[0], "user_message": said[4]}, dead)
    assert wait_until(lambda: lab.dead_letters(dead) != [], 20)
    lab.fault("generate_response", fail_next=1, delay_ms=60_000)
    instances.append(lab.start(user, said[5], sessions[1]))
    lab.wait_until_struck("generate_response")
    words = [user, name, *said]
    # The workflow that runs, the dead letter in its stream, and the finished ones: all of it is there to be found.
    assert found(lab, words).keys() >= {user, *said}

    begin = time.monotonic()
    answer = lab.http.delete(lab.url(MEMORY, f"/memories/{user}"))
    assert answer.status_code == 202
    gone_by = datetime.fromisoformat(answer.json()["gone_by"])
    assert gone_by - datetime.now(UTC) <= timedelta(seconds=TTL + SLACK + MARGIN)
    assert lab.http.get(lab.url(MEMORY, f"/memories/{user}")).status_code == 404
    wait_until(lambda: found(lab, words) == {}, (gone_by - datetime.now(UTC)).total_seconds(), 0.5)
    assert found(lab, words) == {}, time.monotonic() - begin

    assert [lab.history(session) for session in sessions] == [[], []]
    assert lab.dead_letters(dead) == []
    asked = [lab.http.get(lab.url(CHAT, f"/chat/{instance}")).status_code for instance in instances]
    assert asked == [404] * len(instances)
    assert [one["content"] for one in lab.history(others_session)][:1] == [others]
    assert lab.memory(other)["name"] == other


def forgotten_by(lab, user) -> datetime:
    """Forget a user; return the promised moment."""
    answer = lab.http.delete(lab.url(MEMORY, f"/memories/{user}"))
    assert answer.status_code == 202, answer.text
    return datetime.fromisoformat(answer.json()["gone_by"])


def assert_gone(lab, words, by: datetime) -> None:
    """Check that none of this is in Redis at that moment."""
    wait_until(lambda: found(lab, words) == {}, (by - datetime.now(UTC)).total_seconds(), 0.5)
    assert found(lab, words) == {}


def test_a_user_is_forgotten_although_chat_was_dead_when_that_was_told(brief):
    lab = brief
    user, text, session = fresh("junaid"), fresh("I-like-blue"), fresh("s")
    lab.say(user, text, session)
    lab.wait_for_turns(session, 1)
    control.kill(lab.stack, CHAT)
    by = forgotten_by(lab, user)
    # Memory has done its part, and its event finds nobody.
    failed = "dapr_component_pubsub_ingress_count"
    metrics = f"http://127.0.0.1:{lab.app(CHAT).metrics_port}/metrics"

    def tried_in_vain() -> bool:
        lines = lab.http.get(metrics).text.splitlines()
        return any(line.startswith(failed) and "user-forgotten" in line and 'status="retry"' in line for line in lines)

    assert wait_until(tried_in_vain, 20), lab.http.get(metrics).text
    assert found(lab, [user, text]) != {}
    app = lab.with_settings(CHAT, STREAM_TTL_SECONDS=str(TTL))
    control.restart(lab.stack, CHAT, keep_sidecar=True, app=app)
    # What chat trims is counted from when it heard of it.
    assert_gone(lab, [user, text], max(by, datetime.now(UTC) + timedelta(seconds=TTL + MARGIN)))


def test_who_chats_on_is_forgotten_again(brief):
    """Memory does not get to know a forgotten user by chatting; what chat keeps of that goes all the same."""
    lab = brief
    user, first, second = fresh("junaid"), fresh("I-like-blue"), fresh("I-like-red")
    lab.say(user, first, fresh("s"))
    forgotten_by(lab, user)
    # Chat hears of it a moment later, and ends its instances of the user until then.
    assert wait_until(
        lambda: not any(key.startswith(b"chat-service") for key in found(lab, [first]).get(first, [])), 20
    )
    lab.say(user, second, fresh("s"))
    assert found(lab, [second]) != {}
    assert_gone(lab, [user, first, second], forgotten_by(lab, user))


def test_of_whom_memory_never_heard_chat_forgets_what_it_has(brief):
    lab = brief
    user, text = fresh("junaid"), fresh("I-like-blue")
    # Its model is down, so there is no reply, no event, and no memory of the user.
    lab.fault("generate_response", fail_next=9)
    assert lab.ask(user, text, fresh("s")).status_code == 503
    assert lab.http.get(lab.url(MEMORY, f"/memories/{user}")).status_code == 404
    assert found(lab, [user, text]) != {}
    assert_gone(lab, [user, text], forgotten_by(lab, user))


def test_a_late_event_does_not_bring_a_forgotten_user_back(lab):
    user, session, text = fresh("junaid"), fresh("s"), fresh("I-like-blue")
    lab.know(user)
    lab.say(user, "Hello", session)
    lab.wait_for_turns(session, 1)
    assert lab.http.delete(lab.url(MEMORY, f"/memories/{user}")).status_code == 202
    late = {
        "user_id": user,
        "session_id": session,
        "event_type": "ConversationUpdated",
        "user_message": text,
        "assistant_reply": "Noted.",
        "message_id": fresh("m"),
        "timestamp": datetime.now(UTC).isoformat(),
    }
    lab.publish(late, late["message_id"])
    assert wait_until(lambda: lab.deliveries(late["message_id"]) == 1, 20)
    # Earlier data is deleted in due time; a late event is not there then, nor after that.
    assert wait_until(lambda: lab.history(session) == [], 20)
    assert not wait_until(lambda: lab.history(session) != [], 3, 0.3)
    assert lab.http.get(lab.url(MEMORY, f"/memories/{user}")).status_code == 404
    # On request, memory starts again.
    assert wait_until(lambda: is_known(lab, user), 10)
    lab.say(user, "Hello again", session)
    lab.wait_for_turns(session, 1)
    assert lab.history(session)[0]["content"] == "Hello again"


def is_known(lab, user):
    draft = {"name": "Junaid", "preferred_style": "formal", "user_summary": "Junaid is back."}
    return lab.http.post(lab.url(MEMORY, f"/memories/{user}/initialize"), json=draft).status_code in (200, 201)
