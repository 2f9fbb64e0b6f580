"""Every line that an app logs is JSON with its ids, and no log has a person's words, name, address or secret."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest

from labctl import runfile
from labctl.make import setup
from labctl.up import control, logfiles
from labctl.up.processes import wait_until
from tests.runtime.blocks.receivers import mailbox
from tests.runtime.chat.conftest import CHAT, MEMORY
from tests.runtime.conftest import STACK
from tests.runtime.observability.conftest import Labs
from tests.runtime.pizza.conftest import WORKFLOW

pytestmark = pytest.mark.lab("all labs")

# Of the Dapr CLI, which writes its own lines into an app's log as the app ends.
_CLI = re.compile(r"termination signal received|The App process exited|Error exiting App|Exited App|$")
_PREFIX = re.compile(r"^== APP - [\w.-]+ == ")
MARK = f"Unmistakable{uuid4().hex[:8]}"
# A sidecar logs the path of a call that it retries: see the last test.
_RETRIED = re.compile(r".* processing operation endpoint\[.*")
CUSTOMER = {"name": f"Ada {MARK}-name", "address": f"12 {MARK}-street", "phone": "+49 30 55598761"}
PERSONAL = [MARK, "55598761"]


@pytest.fixture(scope="module", autouse=True)
def instance(labs: Labs) -> str:
    """Use each lab with words that no log may have, also while something fails. Return an instance that met that."""
    order_id = labs.pizza.order(customer=CUSTOMER)
    call_while_callee_fails(labs)
    instance = chat_while_memory_is_down(labs)
    labs.jobs.wait_for_runs(labs.jobs.schedule(due_time="0s", data={"note": f"{MARK}-note"}), 1)
    expense = labs.patterns.start("approval", limit_seconds=600)
    assert labs.patterns.raise_event(expense, "decision", approved=True, by=f"{MARK}-boss").is_success
    task, _ = labs.blocks.create_task(f"Call {MARK}-title")
    with mailbox() as box:
        mail = {"to": f"{MARK}@example.com"}
        labs.http.post(labs.blocks.url("task-api", f"/tasks/{task['id']}/email"), json=mail).raise_for_status()
    assert len(box.mails) == 1
    wrong = {"order_id": "wrong", "pizza_type": [MARK], "customer": CUSTOMER}
    assert labs.http.post(labs.pizza.url(WORKFLOW, "/start-order"), json=wrong).status_code == 422
    labs.patterns.end_of(expense)
    labs.pizza.approve(order_id)
    labs.pizza.assert_delivered_once(order_id)
    return instance


def call_while_callee_fails(labs: Labs) -> None:
    """Greet somebody while callee fails once, and while it is dead."""
    labs.invocation.faults(fail_next=1)
    assert labs.invocation.call(f"/call-greet/{MARK}-name").status_code == 200
    control.kill(STACK, "callee-app")
    assert labs.invocation.call(f"/call-greet/{MARK}-name").status_code == 503
    control.restart(STACK, "callee-app", keep_sidecar=True)


def chat_while_memory_is_down(labs: Labs) -> str:
    """Send a message that memory can serve only after its restart. Return the instance."""
    user = f"{MARK}-user"
    labs.chat.know(user, f"{MARK}-name")
    control.kill(STACK, MEMORY)
    instance = labs.chat.start(user, f"I like {MARK}-blue", f"session-{uuid4().hex}")
    log = logfiles.file(STACK, labs.chat.app(CHAT))
    assert log
    assert wait_until(lambda: instance in log.read_text(), 30), "chat logs the failed call of memory"
    control.restart(STACK, MEMORY)
    assert MARK in labs.chat.wait_for_reply(instance)
    return instance


def lines(labs: Labs, app_id: str) -> list[dict[str, Any]]:
    """Return the lines of an app's log. Fail if one is no JSON object."""
    log = logfiles.file(STACK, runfile.find(labs.apps, app_id))
    assert log, f"{app_id} has no log"
    return [json.loads(_PREFIX.sub("", line)) for line in log.read_text().splitlines() if not _CLI.match(line)]


def test_each_line_of_an_app_is_one_json_object_with_its_fields(labs: Labs) -> None:
    for app in labs.apps:
        found = lines(labs, app.app_id)
        assert found, app.app_id
        wrong = [line for line in found if not line.keys() >= {"time", "level", "logger", "message", "app_id"}]
        assert (app.app_id, wrong) == (app.app_id, [])
        assert {line["app_id"] for line in found} == {app.app_id}


def test_a_line_of_an_activity_has_the_instance_and_the_trace(labs: Labs, instance: str) -> None:
    failed = [line for line in lines(labs, CHAT) if line.get("instance_id") == instance]
    assert "step failed" in [line["message"] for line in failed]
    assert [line for line in failed if not re.fullmatch("[0-9a-f]{32}", line.get("trace_id", ""))] == []


def test_a_line_of_a_request_has_its_trace(labs: Labs) -> None:
    trace_id = uuid4().hex
    labs.http.put(labs.invocation.url("callee-app", "/faults"), json={"fail_next": 1}).raise_for_status()
    header = {"traceparent": f"00-{trace_id}-{uuid4().hex[:16]}-01"}
    assert labs.http.get(labs.invocation.url("caller-app", "/call-greet/Ada"), headers=header).status_code == 200
    assert trace_id in [line.get("trace_id") for line in lines(labs, "callee-app")]


def test_no_log_has_personal_data_or_a_secret(labs: Labs) -> None:
    stored: list[str | dict[str, str]] = list(setup.read_secrets().values())
    values = [text for one in stored for text in (one.values() if isinstance(one, dict) else [one])]
    secrets = [text for text in values if text]
    assert len(secrets) >= 3
    logs = {
        path.name: path for app in labs.apps for kind in ("app", "daprd") if (path := logfiles.file(STACK, app, kind))
    }
    assert len(logs) == 2 * len(labs.apps)
    logs |= {name: STACK.logs / f"{name}.log" for name in ("scheduler", "placement", "redis")}
    texts = {name: _RETRIED.sub("", path.read_text(errors="replace")) for name, path in logs.items()}
    found = {name: [word for word in PERSONAL + secrets if word in text] for name, text in texts.items()}
    assert {name: words for name, words in found.items() if words} == {}


def test_a_sidecar_logs_the_path_of_a_call_that_it_retries(labs: Labs) -> None:
    """Why a path should have no name in it. docs/observability.md says so."""
    log = logfiles.file(STACK, runfile.find(labs.apps, "caller-app"), "daprd")
    assert log
    assert f"endpoint[callee-app, callee-app:greet/{MARK}-name]" in log.read_text()
