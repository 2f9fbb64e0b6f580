"""One session: its messages are answered one after the other, each seeing those before it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import say, steps_of, stored, terminate

from kit.fakes.waiting import eventually
from once import register, sessions


def queue_of(sidecar, session_id="s1"):
    return stored(sidecar, "session:").get(f"session:{session_id}", {}).get("queue")


def test_two_at_once_are_answered_one_after_the_other(client, sidecar, engine):
    client.put("/faults/generate_response", json={"delay_ms": 300})
    say(client, "I like tea", wait=False, session_id="s1", message_id="m1")
    second = say(client, "What did we talk about?", session_id="s1", message_id="m2").json()
    assert second["reply"] == "Hi Junaid! Last we talked about “I like tea”."
    steps = steps_of(engine)
    assert steps.index(("m1", "save_conversation")) < steps.index(("m2", "fetch_context"))
    assert [each.data["message_id"] for each in sidecar.published] == ["m1", "m2"]


def test_turns_that_memory_has_are_not_seen_twice_and_no_longer_kept(client, sidecar):
    for number in range(3):
        say(client, f"message {number}", session_id="s1", message_id=f"m{number}")
    session = stored(sidecar, "session:")["session:s1"]
    # Memory was not asked since the last one was said.
    assert [turn["message_id"] for turn in session["recent"]] == ["m2"]


def test_the_last_turns_are_kept_while_memory_learns_nothing(client, sidecar, memory):
    memory.delivers = False
    for number in range(sessions.RECENT_TURNS + 3):
        say(client, f"message {number}", session_id="s1")
    kept = [turn["user_message"] for turn in stored(sidecar, "session:")["session:s1"]["recent"]]
    assert kept == [f"message {number}" for number in range(3, sessions.RECENT_TURNS + 3)]
    assert say(client, "What did we talk about?", session_id="s1").json()["reply"].endswith("“message 7”.")


def test_many_at_once_are_all_answered_in_the_order_of_their_queue(client, sidecar, engine):
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: say(client, f"number {n}", session_id="s1", message_id=f"m{n}"), range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert queue_of(sidecar) == []
    # Each was answered before the next began to read the history.
    steps = [step for step, _ in engine.activities if step in ("fetch_context", "save_conversation")]
    assert steps == ["fetch_context", "save_conversation"] * 12
    assert len({each.data["message_id"] for each in sidecar.published}) == 12


def test_sessions_do_not_wait_for_each_other(client):
    client.put("/faults/generate_response", json={"delay_ms": 300})
    slow = say(client, wait=False, session_id="s1").json()["instance_id"]
    client.delete("/faults")
    assert say(client, session_id="s2").status_code == 200
    eventually(lambda: client.get(f"/chat/{slow}").json()["status"] == "completed")


def test_a_session_belongs_to_the_user_that_opened_it(client, engine):
    say(client, session_id="s1")
    answer = say(client, user="Ada", session_id="s1", message_id="m2")
    assert answer.status_code == 409
    assert answer.json()["detail"] == "metadata.session_id: this session belongs to another user."
    assert len(engine.scheduled) == 1


def test_of_two_users_that_open_a_session_at_once_one_has_it(client):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: say(client, user=f"user-{n}", session_id="s1"), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 7]


@pytest.mark.parametrize("fate", ["terminated", "purged", "lost"])
def test_a_message_behind_a_dead_one_is_answered(serve, sidecar, fate, engine):
    client = serve(faults_enabled=True, unstarted_seconds=0.5)
    client.put("/faults/generate_response", json={"delay_ms": 60_000})
    dead = say(client, wait=False, session_id="s1").json()["instance_id"]
    eventually(lambda: engine.runs("generate_response"))
    client.delete("/faults")
    waiting = say(client, wait=False, session_id="s1").json()["instance_id"]
    eventually(lambda: engine.runs("take_turn"))
    if fate == "terminated":
        terminate(sidecar, dead)
    elif fate == "lost":
        engine.lost.add(dead)
    else:
        engine.instances.pop(dead)
    eventually(lambda: client.get(f"/chat/{waiting}").json()["status"] == "completed")
    assert queue_of(sidecar) == []


def test_a_message_that_was_dropped_because_it_started_late_is_queued_again(client, sidecar, engine):
    client.put("/faults/generate_response", json={"delay_ms": 300})
    say(client, wait=False, session_id="s1", message_id="m1")
    eventually(lambda: engine.runs("generate_response"))
    engine.holds_first_turns = True
    late = say(client, wait=False, session_id="s1", message_id="m2").json()["instance_id"]
    session = sidecar.value("session:s1")
    sidecar.put("session:s1", session | {"queue": session["queue"][:1]})
    engine.dispatch_first_turns()
    eventually(lambda: client.get(f"/chat/{late}").json()["status"] == "completed")
    steps = steps_of(engine)
    assert steps.index(("m1", "save_conversation")) < steps.index(("m2", "fetch_context"))


def test_a_message_is_called_at_its_turn_and_need_not_wait_for_the_timer(serve, engine):
    client = serve(faults_enabled=True, queue_check_seconds=60)
    client.put("/faults/generate_response", json={"delay_ms": 200})
    say(client, wait=False, session_id="s1")
    assert say(client, session_id="s1").status_code == 200
    assert engine.runs("take_turn") == 2


def test_a_queue_has_an_end(client, sidecar, monkeypatch):
    monkeypatch.setattr(sessions, "LONGEST_QUEUE", 2)
    client.put("/faults/generate_response", json={"delay_ms": 300})
    for _ in range(2):
        assert say(client, wait=False, session_id="s1").status_code == 202
    refused = say(client, wait=False, session_id="s1", message_id="m3")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    eventually(lambda: queue_of(sidecar) == [])
    assert say(client, session_id="s1", message_id="m3").status_code == 200


def test_the_head_of_a_session_does_not_grow(client, sidecar, monkeypatch):
    monkeypatch.setattr(register, "PAGE_SIZE", 3)
    ids = [say(client, session_id="s1").json()["instance_id"] for _ in range(8)]
    values = stored(sidecar, "session:")
    assert values["session:s1:0"] == ids[:3]
    assert values["session:s1:1"] == ids[3:6]
    assert (values["session:s1"]["instances"], values["session:s1"]["pages"]) == (ids[6:], 2)
    assert sidecar.values["statestore", "session:s1:0"].ttl == 86_400
