"""A chat remembers, on the real runtime: across turns, across sessions, encrypted, and each message once."""

from __future__ import annotations

import psutil
import pytest

from labctl.up.processes import wait_until
from tests.runtime.chat.conftest import CHAT, MEMORY, fresh
from tests.runtime.conftest import on_redis

pytestmark = pytest.mark.lab("chat")


def test_a_chat_remembers_across_turns_and_sessions(lab):
    user, monday, tuesday = fresh("junaid"), fresh("monday"), fresh("tuesday")
    lab.know(user)
    first, second = fresh("m"), fresh("m")
    assert lab.say(user, "I would like to learn about actors", monday, first).startswith("Greetings, Junaid!")
    assert "learn about actors" in lab.say(user, "What did we talk about?", monday, second)
    lab.assert_kept_once(monday, [first, second])
    assert lab.turns(monday) == [first, second]
    assert wait_until(lambda: "actors" in lab.memory(user)["user_summary"], 15), lab.memory(user)
    # Another session has the user's memory, and not the first one's history.
    about = lab.say(user, "What do you know about me?", tuesday)
    assert about.startswith("Greetings, Junaid!")
    assert "actors" in about
    assert "actors" not in lab.say(user, "What did we talk about?", tuesday)
    lab.wait_for_turns(tuesday, 2)
    assert len(lab.turns(monday)) == 2


def test_however_many_messages_there_is_one_worker_and_few_connections(lab):
    """The taught form starts and ends a worker, and opens clients, for each message."""

    def connections() -> int:
        """Return those from chat to its sidecar."""
        ports = (lab.app(CHAT).http_port, lab.app(CHAT).grpc_port)
        found = psutil.Process(lab.pid(CHAT)).net_connections("tcp")
        return sum(1 for one in found if one.raddr and one.raddr.port in ports)

    lab.say(fresh("ada"), "Hello", fresh("s"))
    before = connections()
    for _ in range(10):
        lab.say(fresh("ada"), "Hello", fresh("s"))
    assert lab.http.get(lab.sidecar(CHAT, "/v1.0/metadata")).json()["workflows"] == {"connectedWorkers": 1}
    assert 0 < connections() <= before + 2


def test_of_two_messages_at_once_the_second_sees_the_first(lab):
    user, session, first, second = fresh("ada"), fresh("s"), fresh("m"), fresh("m")
    lab.fault("generate_response", delay_ms=500)
    # Memory learns of a turn by an event, here late: the second sees the first all the same.
    lab.memory_fails(delay_ms=5000)
    one = lab.start(user, "Let us talk about sailing", session, first)
    two = lab.start(user, "What did we talk about?", session, second)
    assert lab.state(one)["status"] == lab.state(two)["status"] == "running"
    assert "sailing" in lab.wait_for_reply(two)
    assert lab.turns(session) == []
    assert "sailing" in lab.wait_for_reply(one)
    lab.assert_kept_once(session, [first, second])
    assert lab.turns(session) == [first, second]


@on_redis
def test_memory_is_encrypted(lab):
    user, session = fresh("junaid"), fresh("s")
    name, text = fresh("Junaid"), fresh("I-like-blue")
    lab.know(user, name)
    lab.say(user, text, session)
    lab.wait_for_turns(session, 1)
    assert wait_until(lambda: text in lab.memory(user)["user_summary"], 15)
    stored = dict(lab.redis.everything())
    # What goes through the state API, as against the workflows below `chat-service||dapr.internal.…`.
    kept = {key: value for key, value in stored.items() if is_state(key)}
    assert {key.split(b"||")[1].split(b":")[0] for key in kept} >= {b"memory", b"conversation", b"session", b"message"}
    for said in (user, name, text):
        assert [key for key, value in kept.items() if said.encode() in key + value] == []
    # The same look finds the text where it is in clear: in the stream.
    assert text.encode() in stored[b"conversations"]


def is_state(key: bytes) -> bool:
    parts = key.split(b"||")
    return parts[0] in (CHAT.encode(), MEMORY.encode()) and len(parts) == 2
