"""What chat does about a sidecar that lets no worker in (tests/runtime/locked_out.py)."""

from __future__ import annotations

import pytest

from tests.runtime.chat.conftest import CHAT, fresh
from tests.runtime.locked_out import assert_the_sidecar_is_ended, beside_a_gate

pytestmark = pytest.mark.lab("chat")


def test_a_message_outlives_a_sidecar_that_lets_no_worker_in(lab):
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    lab.know(user)
    settings = {"ENGINE_CHECK_SECONDS": "0.2", "WORKER_LOCKOUT_SECONDS": "10"}
    with beside_a_gate(lab, CHAT, FAULTS_ENABLED="true", **settings) as gate:
        lab.http.put(lab.url(CHAT, "/faults/generate_response"), json={"delay_ms": 3000}).raise_for_status()
        instance = lab.start(user, "Hello", session, message)
        assert_the_sidecar_is_ended(lab, CHAT, gate)
        lab.http.delete(lab.url(CHAT, "/faults")).raise_for_status()
        lab.wait_for_reply(instance)
        lab.assert_kept_once(session, [message])
