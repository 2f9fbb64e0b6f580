"""An event that makes its subscriber's sidecar panic for ever is parked, and the next ones arrive."""

from __future__ import annotations

import pytest

from labctl.up import control, processes
from labctl.up.processes import wait_until
from tests.runtime.chat.conftest import CHAT, MEMORY, fresh

pytestmark = pytest.mark.lab("chat")


def test_a_trace_id_that_is_a_number_is_parked(lab, capfd):
    event = {"specversion": "1.0", "type": "x", "source": "test", "id": fresh("e"), "data": {}, "traceid": 12345}
    url = lab.sidecar(CHAT, "/v1.0/publish/pubsub/conversations")
    headers = {"content-type": "application/cloudevents+json"}
    lab.http.post(url, json=event, headers=headers).raise_for_status()

    def sidecar_lives() -> bool:
        return any((one.kind, one.name) == ("sidecar", MEMORY) for one in processes.find(lab.stack))

    assert wait_until(lambda: not sidecar_lives(), 30), "this Dapr does not panic any more"
    control.restart(lab.stack, MEMORY, sidecar=True)
    assert f"conversations made {MEMORY}'s sidecar panic" in capfd.readouterr().err
    (parked,) = (file for file in (lab.stack.state / "parked").iterdir() if event["id"] in file.read_text())
    entry = parked.stem.removeprefix("conversations-")
    assert lab.redis("XPENDING", "conversations", MEMORY, entry, entry, "1") == []
    session, message = fresh("s"), fresh("m")
    lab.say(fresh("ada"), "Hello", session, message)
    lab.assert_kept_once(session, [message])
    assert sidecar_lives()
