"""./lab demo chat: off a terminal its script is followed to the end; in one, somebody chats with it."""

from __future__ import annotations

import re

import pytest

from tests.runtime.chat.conftest import MEMORY
from tests.runtime.demos import demo_in_a_terminal
from tests.runtime.lab_shell import LabShell

pytestmark = pytest.mark.lab("chat")


def test_the_chat_is_held_and_memory_alive_in_the_end(lab) -> None:
    before = lab.pid(MEMORY)
    done = LabShell(lab.stack).run("demo", "chat")
    assert done.returncode == 0, done.stdout + done.stderr
    turns = re.split(r"\nJunaid: ", done.stdout)[1:]
    learn, topic, kill, waits, restart, time, forget, who, leave = turns
    assert "Greetings, Junaid! I noted “I want to learn about workflows”." in learn
    assert "Last we talked about “I want to learn about workflows”." in topic
    assert "is dead" in kill
    assert "Accepted" in waits
    assert "Greetings, Junaid! I noted “Are you still there?”." in restart
    assert re.search(r"It is \d{4}-", time)
    assert "Forgotten. At 2" in forget
    assert "Greetings, Junaid" not in who
    assert "no such user" in who
    assert leave.strip() == "/quit"
    assert lab.pid(MEMORY) != before
    # Each reply stands beside what memory kept of it.
    assert [turn.count("assistant") >= 1 for turn in (learn, topic, restart, time)] == [True] * 4


def test_at_a_keyboard_it_is_a_chat_until_quit(lab) -> None:
    with demo_in_a_terminal(lab.stack, "chat") as chat:
        chat.see("/kill and /restart memory, /forget me, /quit.*\n+Junaid: ")
        for said in ("I like [b]tests[/b]", "What did we talk about?"):
            chat.type(f"{said}\n")
            chat.see(f"Greetings, Junaid!(.|\n)*user +{re.escape(said)}(.|\n)*assistant +Greetings(.|\n)*Junaid: ")
        chat.type("/what\n")
        chat.see("/kill and /restart memory, /forget me, /quit")
        chat.type("/quit\n")
        assert chat.ends() == 0
    assert "Last we talked about “I like [b]tests[/b]”." in re.sub(r"\s+│?\s*│?\s*", " ", chat.shown())
