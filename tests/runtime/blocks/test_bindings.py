"""Bindings on the real runtime: mails to a real SMTP server, webhooks to a real HTTP server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from labctl.up import control
from tests.runtime.blocks.conftest import mark
from tests.runtime.blocks.receivers import mailbox, webhooks
from tests.runtime.blocks.tasks import TASKS, assert_problem, call, new_task

pytestmark = pytest.mark.lab("blocks")


def test_a_task_is_mailed_as_text(lab):
    title = f"<b>Buy milk & bread</b> {mark()}"
    task = new_task(lab, title)
    with mailbox() as box:
        answer = call(lab, "POST", f"/tasks/{task}/email", json={"to": "ada@example.com"})
    assert (answer.status_code, answer.json()) == (200, {"delivered_by": "email-binding"})
    ((to, mail),) = box.mails
    assert (to, mail["to"], mail["subject"]) == (["ada@example.com"], "ada@example.com", f"Task: {title}")
    assert "&lt;b&gt;Buy milk &amp; bread&lt;/b&gt;" in mail.get_payload(decode=True).decode()


def test_many_mails_at_once_each_reach_their_own_recipient(lab):
    tasks = [new_task(lab, f"task of user{number} {mark()}") for number in range(8)]

    def send(number):
        return call(lab, "POST", f"/tasks/{tasks[number % 8]}/email", json={"to": f"user{number % 8}@example.com"})

    with mailbox() as box, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(80)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(box.mails) == 80
    texts = [(to.partition("@")[0], mail.get_payload(decode=True).decode()) for (to,), mail in box.mails]
    assert [user for user, text in texts if f"task of {user} " not in text] == []


def test_dapr_sends_a_mail_also_to_those_whom_an_earlier_mail_named(lab):
    """Why a mail names all its fields, and is sent alone (kit/engine/FAULTS.md)."""
    url = lab.sidecar(TASKS, "/v1.0/bindings/email-binding")

    def send(**about):
        body = {"operation": "create", "data": "text", "metadata": about}
        assert lab.http.post(url, json=body).status_code == 204

    with mailbox() as box:
        send(emailTo="ada@example.com", subject="Salary of Ada", emailCC="boss@example.com")
        send(emailTo="bob@example.com")
    recipients, mail = box.mails[1]
    assert (recipients, mail["subject"]) == (["bob@example.com", "boss@example.com"], "Salary of Ada")
    control.kill(lab.stack, TASKS, sidecar=True)
    control.restart(lab.stack, TASKS, sidecar=True)  # or every other mail of these tests would also go to the boss


@pytest.mark.parametrize("to", ["", "ada", "ada@example.com;eve@example.com", "Ada <ada@example.com>", "a\r\n@b.de", 7])
def test_a_mail_goes_to_one_valid_address(lab, to):
    answer = call(lab, "POST", f"/tasks/{new_task(lab)}/email", json={"to": to})
    assert_problem(answer, 422, "to:")


def test_a_mail_server_that_is_down_is_named(lab):
    answer = call(lab, "POST", f"/tasks/{new_task(lab)}/email", json={"to": "ada@example.com"})
    assert_problem(answer, 503, "email-binding")
    assert answer.json()["dependency"] == "email-binding"


def test_a_webhook_gets_the_task_and_the_api_key(lab):
    task = new_task(lab, "Buy milk")
    with webhooks() as calls:
        answer = call(lab, "POST", f"/tasks/{task}/webhook")
    assert (answer.status_code, answer.json()) == (200, {"delivered_by": "webhook"})
    ((path, headers, body),) = calls
    assert (path, body) == ("/hooks/tasks", {"id": task, "title": "Buy milk", "status": "pending"})
    assert headers["x-api-key"] == "an-example-and-no-real-key"
    assert headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("status", [400, 500, None], ids=str)
def test_a_webhook_that_fails_is_named(lab, status):
    task = new_task(lab)
    if status is None:
        answer = call(lab, "POST", f"/tasks/{task}/webhook")
    else:
        with webhooks(status) as calls:
            answer = call(lab, "POST", f"/tasks/{task}/webhook")
        assert len(calls) == 1
    assert_problem(answer, 503, "webhook")


@pytest.mark.parametrize("path", ["email", "webhook", "summary", "attachment"])
def test_a_task_that_does_not_exist_is_404(lab, path):
    verb = "PUT" if path == "attachment" else "POST"
    content = {"headers": {"content-type": "application/octet-stream"}, "content": b"x"}
    more = content if verb == "PUT" else {"json": {"to": "ada@example.com"}}
    assert_problem(call(lab, verb, f"/tasks/no-such-task/{path}", **more), 404, "Task not found")
