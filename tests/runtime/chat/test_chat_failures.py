"""Breakdowns while a chat is in flight, on the real runtime: every message is answered, and kept once."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labctl import lifecycle
from labctl.processes import wait_until
from tests.runtime.chat.conftest import CHAT, MEMORY, fresh

pytestmark = pytest.mark.lab("chat")


def test_memory_is_stopped_while_a_chat_is_in_its_first_step(lab):
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    lifecycle.kill(lab.site, MEMORY)
    stopped = time.monotonic()
    instance = lab.start(user, "Hello", session, message)
    assert wait_until(lambda: time.monotonic() > stopped + 5, 10)
    assert lab.state(instance)["status"] == "running"
    lifecycle.restart(lab.site, MEMORY)
    assert "Hello" in lab.wait_for_reply(instance)
    lab.assert_kept_once(session, [message])


def test_when_chat_is_ready_a_workflow_runs(lab):
    """`./lab up` and `restart` wait for readiness, so the first message needs no second attempt and no patience."""
    lifecycle.restart(lab.site, CHAT)
    begin = time.monotonic()
    lab.say(fresh("ada"), "Hello", fresh("s"))
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("step", ["fetch_context", "generate_response", "save_conversation", "pass_turn"])
def test_chat_is_killed_in_the_step(lab, step):
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    lab.fault(step, fail_next=1, delay_ms=60_000)
    instance = lab.start(user, "Hello", session, message)
    lab.wait_until_struck(step)
    lifecycle.kill(lab.site, CHAT)
    lifecycle.restart(lab.site, CHAT)
    assert "Hello" in lab.wait_for_reply(instance)
    lab.assert_kept_once(session, [message])
    assert "Hello" in lab.say(user, "What did we talk about?", session)


def test_the_sidecar_of_chat_is_killed_in_a_step(lab):
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    lab.fault("generate_response", fail_next=1, delay_ms=3_000)
    instance = lab.start(user, "Hello", session, message)
    lab.wait_until_struck("generate_response")
    lifecycle.kill(lab.site, CHAT, sidecar=True)
    lifecycle.restart(lab.site, CHAT, sidecar=True)
    assert "Hello" in lab.wait_for_reply(instance)
    lab.assert_kept_once(session, [message])


def test_redis_is_killed_and_restarted(lab):
    user, before, during = fresh("ada"), fresh("s"), [fresh("s") for _ in range(4)]
    messages = {session: fresh("m") for session in (before, *during)}
    lab.say(user, "I like blue", before, messages[before])
    lab.wait_for_turns(before, 1)
    lab.fault("generate_response", delay_ms=2_000)
    instances = [lab.start(user, "Hello", session, messages[session]) for session in during]
    lifecycle.kill(lab.site, "redis")
    lifecycle.restart(lab.site, "redis")
    for instance in instances:
        assert "Hello" in lab.wait_for_reply(instance, 90)
    for session, message in messages.items():
        lab.assert_kept_once(session, [message], 60)
    assert "blue" in lab.say(user, "What did we talk about?", before)


def test_publishing_fails_for_a_while(lab):
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    redis = lab.redis
    redis("ACL", "LOG", "RESET")
    redis("ACL", "SETUSER", "default", "-xadd")
    try:
        instance = lab.start(user, "Hello", session, message)
        # Each refusal that Redis counts is an attempt to publish.
        assert wait_until(lambda: refusals(redis) >= 3, 30), redis("ACL", "LOG")
        assert lab.state(instance)["status"] == "running"
        assert lab.turns(session) == []
    finally:
        redis("ACL", "SETUSER", "default", "+xadd")
    assert "Hello" in lab.wait_for_reply(instance)
    lab.assert_kept_once(session, [message])


def refusals(redis):
    return sum(dict(zip(one[::2], one[1::2], strict=True))[b"count"] for one in redis("ACL", "LOG"))


class Model:
    """A server that speaks the chat-completions protocol, once it is started; until told otherwise it only fails."""

    def __init__(self):
        self.asked = 0
        self.is_well = False
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                model.asked += 1
                message = {"role": "assistant", "content": "Blue, I think."}
                choices = [{"index": 0, "finish_reason": "stop", "message": message}]
                answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
                body = json.dumps(answer if model.is_well else {}).encode()
                self.send_response(200 if model.is_well else 500)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        # The port is taken at once, so that nobody else gets it, and listened on at `start` only.
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server.server_bind()

        self.serving = threading.Thread(target=self.server.serve_forever, daemon=True)

    def start(self):
        self.server.server_activate()
        self.serving.start()

    def stop(self):
        # Closed alone, its thread would go on looking at what is closed, as fast as it can.
        if self.serving.is_alive():
            self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def model(lab):
    model = Model()
    url = f"http://127.0.0.1:{model.server.server_address[1]}/v1"
    app = lab.app(CHAT)
    env = {"MODEL_ENGINE": "openai-compatible", "MODEL_BASE_URL": url, "MODEL_NAME": "m"}
    lifecycle.restart(lab.site, CHAT, app=replace(app, entry=app.entry | {"env": app.entry["env"] | env}))
    yield model
    lifecycle.restart(lab.site, CHAT)
    model.stop()


def test_the_model_is_down(lab, model):
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    nobody_there = refused(lab.ask(user, "Hello", session, message))
    assert nobody_there[0] == 503
    model.start()
    status, instance = refused(lab.ask(user, "Hello", session, message))
    assert (status, model.asked) == (502, 3)
    assert instance != nobody_there[1]
    assert (lab.state(instance)["status"], lab.state(instance)["reply"]) == ("failed", None)
    assert lab.state(instance)["error"] == "model: it answered 500."
    # Nothing is stored of a turn without a reply.
    assert not wait_until(lambda: lab.history(session) != [], 2, 0.3)
    assert lab.http.get(lab.url(MEMORY, f"/memories/{user}")).status_code == 404
    # It holds up nobody: the same message may be sent again, and the session goes on.
    model.is_well = True
    assert lab.say(user, "Hello", session, message) == "Blue, I think."
    lab.assert_kept_once(session, [message])


def refused(answer):
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["dependency"] == "model", told
    return answer.status_code, told["instance_id"]
