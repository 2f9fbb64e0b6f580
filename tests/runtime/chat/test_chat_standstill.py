"""What chat does about a sidecar that keeps all calls to its workflows waiting (tests/runtime/cut_off.py)."""

from __future__ import annotations

import pytest

from labctl.up.processes import wait_until
from tests.runtime.chat.conftest import CHAT, fresh
from tests.runtime.cut_off import WITHIN, cut_off

pytestmark = pytest.mark.lab("chat")


def test_chat_ends_the_standstill(lab):
    user, session, message = fresh("ada"), fresh("s"), fresh("m")
    lab.know(user)
    with cut_off(lab, CHAT, SCHEDULE_SECONDS="2", ENGINE_CHECK_SECONDS="5"):
        held_up = lab.ask(user, "Hello", session, message)
        assert (held_up.status_code, held_up.json()["dependency"]) == (504, "Dapr workflow engine")
        assert wait_until(lambda: lab.ask(user, "Hello", session, message).status_code == 200, WITHIN)
        lab.assert_kept_once(session, [message])
