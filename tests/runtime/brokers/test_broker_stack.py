"""./lab on the components of this run, as a user types it: up, status, kill, restart, doctor, down, and the chaos."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator

import httpx
import psutil
import pytest
from rich.console import Console

from labctl import variants
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.stack import TEST_OFFSET, Stack
from labctl.up import brokers, infrastructure, processes
from labctl.up.brokers import BROKERS
from labctl.up.processes import wait_until
from tests.runtime.conftest import STACK
from tests.runtime.lab_shell import LAB, LabShell

pytestmark = [
    pytest.mark.lab("pizza"),
    pytest.mark.skipif(not STACK.components, reason="it starts other brokers: ./lab test brokers"),
]

ORDERS = 50


@pytest.fixture
def shell(no_other_stack: None) -> Iterator[LabShell]:
    shell = LabShell(Stack("brokers", TEST_OFFSET, components=STACK.components))
    shell.run("down", "--forget")
    yield shell
    shell.run("down", "--forget")
    shell.assert_nothing_left()


def ask(stack: Stack, method: str, path: str, body: dict[str, object] | None = None) -> tuple[int, str]:
    """Return the answer of pizza-workflow: the status code, and the status of the order. (0, "") without one."""
    try:
        answer = httpx.request(method, f"http://127.0.0.1:{8025 + stack.offset}{path}", json=body, timeout=30)
    except httpx.TransportError:
        return 0, ""
    return answer.status_code, str(answer.json().get("status", ""))


def test_up_on_other_components(shell, monkeypatch):
    stack = shell.stack
    up = shell.run("up", "pizza", "--components", stack.components, "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    below = {one["name"]: one for one in json.loads(shell.run("status", "--json").stdout)["infrastructure"]}
    assert list(below) == infrastructure.names(stack)
    assert all(below[name]["ours"] for name in stack.brokers)
    if "rabbitmq" in stack.brokers:
        log = (stack.logs / "rabbitmq.log").read_text()
        assert re.search(r"config file\(s\) : .*/rabbitmq\.conf$", log, re.MULTILINE)
    # On this machine only, RabbitMQ's helpers too.
    ours = [one.process for one in processes.find(stack) if one.name in (*stack.brokers, "epmd")]
    family = {process.pid: process for one in ours for process in (one, *one.children(recursive=True))}
    listens = [one.laddr.ip for one in psutil.net_connections("tcp") if one.pid in family and one.status == "LISTEN"]
    assert {ip.removeprefix("::ffff:") for ip in listens} <= {"127.0.0.1", "::1"}

    customer = {"name": "Ada Lovelace", "address": "12 St James's Square", "phone": "+44 20 7946 0000"}
    order = {"order_id": "mine-1", "pizza_type": "pepperoni", "size": "large", "customer": customer}
    assert ask(stack, "POST", "/start-order", order)[0] == 202
    assert wait_until(lambda: ask(stack, "GET", "/orders/mine-1")[1] == "pending_validation", 60)
    for name in stack.brokers:
        assert shell.run("kill", name).returncode == 0
        assert f"{name}: not running" in shell.run("status").stdout
        back = shell.run("restart", name)
        assert back.returncode == 0, back.stdout + back.stderr
        again = shell.run("restart", name)  # with clients that are connected
        assert again.returncode == 0, again.stdout + again.stderr
    # It was stored before the kills, and goes on.
    assert wait_until(lambda: ask(stack, "GET", "/orders/mine-1")[1] == "pending_validation", 30)
    verdict = {"order_id": "mine-1", "approved": True, "attempt": 1}
    assert wait_until(lambda: ask(stack, "POST", "/validate-pizza", verdict)[0] == 202, 60)
    assert wait_until(lambda: ask(stack, "GET", "/orders/mine-1")[1] == "delivered", 90)

    if os.geteuid() == 0:
        # PostgreSQL's own user opens it at each checkpoint.
        as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        subprocess.run([*as_postgres, "test", "-r", stack.state / "postgres/global/pg_control"], check=True)
    assert stack.state.stat().st_mode & 0o007 == 0
    assert BROKERS["postgres"].refuses(stack.ports["postgres"]) == ""
    monkeypatch.setattr(BROKERS["postgres"], "account", "nobody")
    with pytest.raises(LabError, match=r"no pg_hba.conf entry for .*nobody(.|\n)*CREATE ROLE dapr"):
        brokers.ensure(stack, Steps(Console(quiet=True)))
    refused = shell.run("up", "pizza", "--components", other(stack.components))
    assert refused.returncode != 0
    assert f"without --components {other(stack.components)}" in refused.stderr
    assert "missing" not in {row["state"] for row in json.loads(shell.run("doctor", "--json").stdout)}

    kept = shell.run("down", "--forget").stdout
    assert all(name in kept for name in stack.brokers)
    assert not any((stack.state / name).exists() for name in stack.brokers)


def other(components: str) -> str:
    """Return another folder of variants/."""
    return next(name for name in variants.names() if name != components)


@pytest.mark.timeout(900)  # 264 s on two busy cores
@pytest.mark.skipif("kafka" not in STACK.components, reason="the promise is for kafka-postgres")
def test_chaos_loses_no_order(shell):
    command = [LAB, "chaos", "pizza", "--orders", str(ORDERS), "--components", shell.stack.components]
    done = subprocess.run(command, env=shell.environment(), capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    killed = set(re.findall(r"kill -9 (\S+) ", done.stdout))
    assert {*shell.stack.brokers} <= killed
