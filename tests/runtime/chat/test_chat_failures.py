"""Breakdowns while a chat is in flight, on the real runtime: every message is answered, and kept once."""

from __future__ import annotations

import time

import pytest

from labctl.up import control
from tests.runtime.chat.conftest import CHAT, fresh

pytestmark = pytest.mark.lab("chat")


def test_when_chat_is_ready_a_workflow_runs(lab):
    """`./lab up` and `restart` wait for readiness, so the first message needs no second attempt and no patience."""
    control.restart(lab.stack, CHAT)
    begin = time.monotonic()
    lab.say(fresh("ada"), "Hello", fresh("s"))
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("step", "keep_sidecar"),
    [
        ("fetch_context", False),
        ("generate_response", True),
        ("generate_response", False),
        ("save_conversation", True),
        ("pass_turn", False),
    ],
)
def test_chat_is_killed_in_the_step(lab, step, keep_sidecar):
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    lab.fault(step, fail_next=1, delay_ms=60_000)
    instance = lab.start(user, "Hello", session, message)
    lab.wait_until_struck(step)
    control.kill(lab.stack, CHAT)
    control.restart(lab.stack, CHAT, keep_sidecar=keep_sidecar)
    assert "Hello" in lab.wait_for_reply(instance)
    lab.assert_kept_once(session, [message])
    assert "Hello" in lab.say(user, "What did we talk about?", session)


def test_the_sidecar_of_chat_is_killed_in_a_step(lab):
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    lab.fault("generate_response", fail_next=1, delay_ms=3_000)
    instance = lab.start(user, "Hello", session, message)
    lab.wait_until_struck("generate_response")
    control.kill(lab.stack, CHAT, sidecar=True)
    control.restart(lab.stack, CHAT, sidecar=True)
    assert "Hello" in lab.wait_for_reply(instance)
    lab.assert_kept_once(session, [message])


def test_redis_is_killed_and_restarted(lab):
    # A kill -9 alone would not show it: what a process wrote, the kernel still writes to disk.
    assert lab.redis("CONFIG", "GET", "appendfsync") == [b"appendfsync", b"always"]
    assert lab.redis("CONFIG", "GET", "appendonly") == [b"appendonly", b"yes"]
    user, before, during = fresh("ada"), fresh("s"), [fresh("s") for _ in range(4)]
    messages = {session: fresh("m") for session in (before, *during)}
    lab.say(user, "I like blue", before, messages[before])
    lab.wait_for_turns(before, 1)
    lab.fault("generate_response", delay_ms=2_000)
    instances = [lab.start(user, "Hello", session, messages[session]) for session in during]
    control.kill(lab.stack, "redis")
    control.restart(lab.stack, "redis")
    for instance in instances:
        assert "Hello" in lab.wait_for_reply(instance, 90)
    for session, message in messages.items():
        lab.assert_kept_once(session, [message], 60)
    assert "blue" in lab.say(user, "What did we talk about?", before)
