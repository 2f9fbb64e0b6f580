"""Two replicas of each service, on the real runtime: either answers, and a rolling restart loses nothing."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import httpx
import pytest

from labctl.up import control, processes
from labctl.up.processes import wait_until
from tests.runtime.chat.conftest import CHAT, MEMORY, fresh

pytestmark = pytest.mark.lab("chat")

SESSIONS = 6
ANSWERED_WITHIN = 90


def bases(lab, replicas):
    """Return the addresses of chat's two replicas."""
    return [lab.url(CHAT, ""), f"http://127.0.0.1:{replicas[CHAT].app_port}"]


def test_either_replica_goes_on_with_a_session(lab, replicas):
    user, session, messages = fresh("ada"), fresh("s"), [fresh("m") for _ in range(6)]
    lab.know(user)
    at = cycle(bases(lab, replicas))
    for number, message in enumerate(messages):
        text = f"Note {number}" if number % 2 == 0 else "What did we talk about?"
        answer = lab.ask(user, text, session, message, at=next(at))
        assert (answer.status_code, "Note" in answer.json()["reply"]) == (200, True), answer.text
    lab.assert_kept_once(session, messages)
    # The same message sent to both at once is one message.
    twice = fresh("m")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda base: lab.ask(user, "Hello", session, twice, at=base), bases(lab, replicas)))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["reply"] == answers[1].json()["reply"]
    lab.assert_kept_once(session, [*messages, twice])


def test_a_rolling_restart_loses_no_chat(lab, replicas):
    user, where = fresh("ada"), bases(lab, replicas)
    sessions = {fresh("s"): list[str]() for _ in range(SESSIONS)}
    done = threading.Event()
    for base in where:
        lab.http.put(f"{base}/faults/generate_response", json={"delay_ms": 300}).raise_for_status()

    def talk(session):
        at = cycle(where)
        while not done.is_set():
            message = fresh("m")
            sessions[session].append(message)
            send(lab, user, session, message, at)

    with ThreadPoolExecutor(SESSIONS) as pool:
        talks = [pool.submit(talk, session) for session in sessions]
        try:
            for app_id in (CHAT, MEMORY):
                for app in (lab.app(app_id), replicas[app_id]):
                    before = sum(map(len, sessions.values()))
                    control.restart(lab.stack, app_id, app=app)
                    # Chats go on before the next replica is taken down.
                    assert wait_until(lambda b=before: sum(map(len, sessions.values())) > b + SESSIONS, 60)
        finally:
            done.set()
        for each in talks:
            each.result()
    for session, messages in sessions.items():
        lab.assert_kept_once(session, messages, 60)


def send(lab, user, session, message, at):
    """Send a message until it is answered, as a gateway does: to the other replica when one fails."""
    deadline, told = time.monotonic() + ANSWERED_WITHIN, ""
    for base in at:
        assert time.monotonic() < deadline, f"{message} was not answered: {told}"
        try:
            answer = lab.ask(user, f"Note {message}", session, message, at=base)
        except httpx.TransportError as error:
            told = repr(error)
            continue
        if answer.status_code == 200:
            assert message in answer.json()["reply"]
            return
        told = answer.text
        assert answer.status_code in (202, 502, 503, 504), told


def test_the_other_replica_takes_over_from_one_that_is_killed(lab, replicas):
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    where = bases(lab, replicas)
    for base in where:
        lab.http.put(f"{base}/faults/generate_response", json={"fail_next": 1, "delay_ms": 60_000}).raise_for_status()
    instance = lab.start(user, "Hello", session, message)

    def struck():
        left = [lab.http.get(f"{base}/faults").json()["generate_response"]["fail_next"] for base in where]
        return [app for app, n in zip((lab.app(CHAT), replicas[CHAT]), left, strict=True) if n == 0]

    assert wait_until(lambda: struck() != [], 20)
    (victim,) = struck()
    (survivor,) = [base for base in where if not base.endswith(str(victim.app_port))]
    lab.http.delete(f"{survivor}/faults").raise_for_status()
    for one in processes.find(lab.stack):
        if one.port in (victim.app_port, victim.http_port):
            one.process.kill()

    def has_ended():
        return lab.http.get(f"{survivor}/chat/{instance}").json().get("status") == "completed"

    assert wait_until(has_ended, 60, 0.3)
    lab.assert_kept_once(session, [message])
    assert "Hello" in lab.ask(user, "What did we talk about?", session, at=survivor).text
