"""A forgotten user has left nothing readable in Redis when the stated time is over; all others keep everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.chat.conftest import CHAT, MEMORY, fresh

pytestmark = pytest.mark.lab("chat")

BRIEF = Path(__file__).parent / "brief"
TTL, SLACK, MARGIN = 5, 2, 15


@pytest.fixture
def brief(lab):
    """Both services with streams that keep an event for 5 s, and memory with less patience for events in flight."""
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


def forget(lab, user) -> datetime:
    """Forget a user; return the promised moment."""
    answer = lab.http.delete(lab.url(MEMORY, f"/memories/{user}"))
    assert answer.status_code == 202, answer.text
    return datetime.fromisoformat(answer.json()["gone_by"])


def assert_gone(lab, words, by: datetime) -> None:
    """Check that none of this is in Redis at that moment."""
    wait_until(lambda: found(lab, words) == {}, (by - datetime.now(UTC)).total_seconds(), 0.5)
    assert found(lab, words) == {}


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

    gone_by = forget(lab, user)
    assert gone_by - datetime.now(UTC) <= timedelta(seconds=TTL + SLACK + MARGIN)
    assert lab.http.get(lab.url(MEMORY, f"/memories/{user}")).status_code == 404
    assert_gone(lab, words, gone_by)
    assert [lab.history(session) for session in sessions] == [[], []]
    assert lab.dead_letters(dead) == []
    asked = [lab.http.get(lab.url(CHAT, f"/chat/{instance}")).status_code for instance in instances]
    assert asked == [404] * len(instances)
    assert [one["content"] for one in lab.history(others_session)][:1] == [others]
    assert lab.memory(other)["name"] == other


def test_a_user_is_forgotten_although_chat_was_dead_when_that_was_told(brief):
    lab = brief
    user, text, session = fresh("junaid"), fresh("I-like-blue"), fresh("s")
    lab.say(user, text, session)
    lab.wait_for_turns(session, 1)
    control.kill(lab.stack, CHAT)
    by = forget(lab, user)
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
