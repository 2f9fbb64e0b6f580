"""Locks on the real runtime: one holder at a time, and one digest a day however many replicas are called."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import uniform
from uuid import uuid4

import httpx
import pytest
import yaml

from labctl.stack import ROOT
from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.blocks.receivers import mailbox
from tests.runtime.blocks.tasks import TASKS, assert_problem, call, new_task

pytestmark = pytest.mark.lab("blocks")
CONTENDERS, AT_ONCE = 500, 8


@pytest.fixture
def day(lab):
    """Return a day that has no digest yet: today, as if it were new."""
    today = datetime.now(UTC).date().isoformat()
    answer = lab.http.delete(lab.sidecar(TASKS, f"/v1.0/state/taskstore/digest-{today}"))
    assert answer.status_code == 204, answer.text
    return today


def try_lock(lab, name, owner, seconds=60):
    """Ask a sidecar for a lock over HTTP."""
    body = {"resourceId": name, "lockOwner": owner, "expiryInSeconds": seconds}
    return lab.http.post(f"{base(lab)}/lock/lockstore", json=body).json()["success"]


def unlock(lab, name, owner):
    """Return 0: it was released, 1: nobody holds it, 2: another owner does."""
    body = {"resourceId": name, "lockOwner": owner}
    return lab.http.post(f"{base(lab)}/unlock/lockstore", json=body).json()["status"]


def base(lab):
    return f"http://127.0.0.1:{lab.app(TASKS).http_port}/v1.0-alpha1"


def digests(lab, day):
    """Return the digests of a day that the app has recorded."""
    return [one for one in call(lab, "GET", "/digests").json()["digests"] if one["day"] == day]


def test_a_lock_is_held_by_one_of_500_contenders_at_a_time(lab):
    name, holders, most, served = f"lock-{uuid4()}", [], [0], []

    def contend(number):
        owner = f"owner-{number}"
        while not try_lock(lab, name, owner):
            time.sleep(uniform(0, 0.02))
        holders.append(owner)
        most[0] = max(most[0], len(holders))
        assert unlock(lab, name, "somebody else") == 2
        served.append(owner)
        holders.remove(owner)
        assert unlock(lab, name, owner) == 0

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(contend, range(CONTENDERS)))
    assert (most, len(set(served))) == ([1], CONTENDERS)
    assert unlock(lab, name, "owner-0") == 1


def test_a_lock_of_a_crashed_owner_is_free_after_its_time_to_live(lab):
    name = f"lock-{uuid4()}"
    begin = time.monotonic()
    assert try_lock(lab, name, "crashed", seconds=2)
    assert not try_lock(lab, name, "next")
    assert wait_until(lambda: try_lock(lab, name, "next"), 10, 0.05)
    assert 1.9 < time.monotonic() - begin < 4
    assert unlock(lab, name, "crashed") == 2, "the late owner does not release the lock of the next one"


def test_two_replicas_that_are_called_at_once_send_one_digest_a_day(lab, day):
    title = f"digest {uuid4()}"
    new_task(lab, title)
    with mailbox() as box, lab.replicas(TASKS) as others:
        urls = [lab.url(TASKS, "/digest-cron"), f"http://127.0.0.1:{others[TASKS].app_port}/digest-cron"]
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lab.http.post, urls * 10))
        answers += [lab.http.post(url) for url in urls]
    assert {answer.status_code for answer in answers} == {200}
    outcomes = [answer.json()["status"] for answer in answers]
    assert outcomes.count("SENT") == 1
    assert outcomes[-2:] == ["ALREADY_SENT"] * 2
    ((to, mail),) = box.mails
    assert (to, mail["subject"]) == (["team@example.com"], f"Tasks of {day}")
    assert title in mail.get_payload(decode=True).decode()
    assert len(digests(lab, day)) == 1


def test_two_replicas_whose_cron_fires_each_second_send_one_digest_a_day(lab, day, tmp_path):
    component = yaml.safe_load((ROOT / "components/digest-cron.yaml").read_text())
    component["spec"]["metadata"][0] = {"name": "schedule", "value": "@every 1s"}
    (tmp_path / "digest-cron.yaml").write_text(yaml.safe_dump(component))
    with lab.replicas(TASKS) as others, lab.otherwise(lab.app(TASKS), resources=[tmp_path]):
        control.restart(lab.stack, TASKS, app=others[TASKS], resources=[tmp_path])
        assert digests(lab, day) == []  # until now there is no mail server, so each call has failed
        with mailbox() as box:
            assert wait_until(lambda: digests(lab, day), 15)
            # Long enough for some more calls of each.
            assert not wait_until(lambda: len(box.mails) > 1, 4)
    assert box.subjects() == [f"Tasks of {day}"]


def test_a_digest_that_cannot_be_mailed_is_sent_at_a_later_call(lab, day):
    assert_problem(call(lab, "POST", "/digest-cron"), 503, "email-binding")
    assert digests(lab, day) == []
    with mailbox() as box:
        assert call(lab, "POST", "/digest-cron").json() == {"status": "SENT"}
    assert len(box.mails) == 1


def test_a_replica_that_dies_as_it_mails_holds_up_the_digest_for_the_time_of_its_lock(lab, day):
    """And the mail is sent twice, because it was sent and not yet noted. No digest is lost."""
    app = lab.with_settings(TASKS, DIGEST_LOCK_SECONDS="6")
    with mailbox() as box, lab.otherwise(app), ThreadPoolExecutor(1) as pool:
        box.open.clear()
        mailing = pool.submit(call, lab, "POST", "/digest-cron")
        assert wait_until(lambda: box.arrived == 1, 10)
        begin = time.monotonic()
        control.kill(lab.stack, TASKS)
        assert isinstance(mailing.exception(10), httpx.TransportError)
        control.restart(lab.stack, TASKS, keep_sidecar=True, app=app)
        assert call(lab, "POST", "/digest-cron").json() == {"status": "LOCKED"}
        box.open.set()
        assert wait_until(lambda: call(lab, "POST", "/digest-cron").json()["status"] == "SENT", 20)
        assert time.monotonic() - begin < 8
        assert box.subjects() == [f"Tasks of {day}"] * 2
    assert len(digests(lab, day)) == 1
