"""What a machine and its user do to a running lab: other machines on its network, edited files, stray signals."""

from __future__ import annotations

import signal

import httpx
import psutil
import pytest

from labctl.up import processes
from labctl.up.processes import wait_until
from tests.runtime.conftest import Running

pytestmark = pytest.mark.lab("invocation")
LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def greets(lab: Running) -> bool:
    try:
        return httpx.get(lab.url("caller-app", "/call-greet/Ada"), timeout=20).status_code == 200
    except httpx.HTTPError:
        return False


def test_only_the_health_of_the_control_plane_is_seen_from_another_machine(lab: Running):
    listening = {
        socket.laddr.port
        for one in processes.find(lab.stack)
        for socket in psutil.Process(one.pid).net_connections("tcp")
        if socket.status == psutil.CONN_LISTEN and socket.laddr.ip not in LOOPBACK
    }
    # daprd has options for all its ports. placement and scheduler ignore theirs for this one.
    assert listening <= {lab.stack.ports[f"{name}-health"] for name in ("placement", "scheduler")}


def test_a_sidecar_goes_on_when_its_files_change_and_after_a_hang_up(lab: Running):
    assert greets(lab)
    resources = next((lab.stack.state / "run").glob("*-resources"))
    config = lab.stack.state / "run" / "config.yaml"
    for file in (*resources.glob("*.yaml"), config):
        file.touch()
        swapped = file.with_name("swapped.new")
        swapped.write_text(file.read_text() + "# edited\n")
        swapped.replace(file)
    sidecar = lab.pid("callee-app", "sidecar")
    psutil.Process(sidecar).send_signal(signal.SIGHUP)
    assert wait_until(lambda: greets(lab), 20, interval=0.5)
    assert lab.pid("callee-app", "sidecar") == sidecar, "the same process, and no restart"
