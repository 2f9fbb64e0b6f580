"""No log and no metric, of the apps or of their sidecars, has a user's id or words."""

from __future__ import annotations

import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.chat.conftest import CHAT, MEMORY, fresh
from tests.runtime.readable import in_logs_and_metrics

pytestmark = pytest.mark.lab("chat")


def test_a_turn_a_bad_event_a_lost_scheduler_and_the_forgetting_are_logged_without_the_user(lab):
    user, text, reply, session, dead = fresh("junaid"), fresh("I-like-blue"), fresh("I-see"), fresh("s"), fresh("m")
    lab.know(user, "Junaid")
    lab.say(user, text, session)
    lab.wait_for_turns(session, 1)
    lab.publish({"user_id": user, "session_id": session, "user_message": text, "assistant_reply": reply}, dead)
    assert wait_until(lambda: lab.dead_letters(dead) != [], 20)
    header = {"dapr-app-id": MEMORY}
    assert lab.http.get(lab.sidecar(CHAT, f"/memories/{user}"), headers=header).status_code == 200
    assert lab.http.post(lab.url(CHAT, "/chat/"), json={"user_id": user, "text": [text]}).status_code == 422
    control.kill(lab.stack, "scheduler")
    late = [fresh("late") for _ in range(2)]
    for words in late:
        lab.http.post(lab.url(CHAT, "/chat/"), params={"wait": "false"}, json={"user_id": user, "text": words})
    control.restart(lab.stack, "scheduler")
    again = {"user_id": user, "text": late[0]}
    assert wait_until(lambda: lab.http.post(lab.url(CHAT, "/chat/"), json=again).status_code == 200, 60)
    assert lab.http.delete(lab.url(MEMORY, f"/memories/{user}")).status_code == 202
    assert wait_until(lambda: lab.http.get(lab.url(MEMORY, f"/memories/{user}")).status_code == 404, 20)
    assert in_logs_and_metrics(lab, [user, text, reply, *late]) == {}
