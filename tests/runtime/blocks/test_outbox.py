"""The outbox: a task and its event exist together, whichever process is killed. Also what Dapr does beyond that."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.blocks.conftest import NOTIFICATIONS, TASKS, Blocks
from tests.runtime.conftest import on_redis

pytestmark = pytest.mark.lab("blocks")

KILLS, WRITERS = 20, 4
PAUSE_SECONDS = 0.3  # between a restart and the next kill, in which some ten tasks are created
# An event in flight when its sidecar dies is delivered again after the 15 s of taskpubsub.yaml.
SETTLED_WITHIN = 60
TRANSACTION = "/v1.0/state/taskstore/transaction"
# The sidecar's own topic of the outbox, as taskpubsub.yaml names it.
INTERNAL = "defaulttask-apitask-eventsoutbox"
BUSY = 20  # per cent of a core, which it shares with other tests


@pytest.fixture
def emptied(lab: Blocks) -> Iterator[None]:
    """Delete what a sidecar that died half-way left in the outbox: it would keep the sidecars after it busy."""
    yield
    control.kill(lab.stack, TASKS, sidecar=True)
    lab.redis("DEL", INTERNAL)
    control.restart(lab.stack, TASKS)


def sidecar_cpu(lab: Blocks) -> float:
    """Return how much of a core the sidecar of task-api uses, in per cent."""
    return psutil.Process(lab.pid(TASKS, "sidecar")).cpu_percent(2)


@on_redis
def test_a_task_is_an_event_about_a_second_later(lab):
    task, _ = lab.create_task(f"Buy milk {uuid4()}")
    (event,) = lab.wait_for_events(task["title"], 1)
    assert (event["type"], event["source"]) == ("task.created", "task-api")
    assert event["data"] == {"event_type": "task.created", "task_id": task["id"], "title": task["title"]}
    assert event["id"].startswith("outbox-")
    lab.wait_for_notification(task["title"])
    assert wait_until(lambda: '"route": "/events/task-created"' in lab.log_of(event["id"]), 10)


@on_redis
def test_only_an_upsert_in_a_transaction_is_an_event(lab):
    mark = uuid4().hex
    task, version = lab.create_task(f"{mark} created")
    changed = lab.change(task["id"], version, title=f"{mark} changed")
    assert changed.status_code == 200
    lab.http.post(lab.url(TASKS, "/tasks/bulk"), json={"tasks": [{"title": f"{mark} imported"}]})
    body = {"create": [{"title": f"{mark} {number}"} for number in range(5)], "delete": [task["id"]]}
    assert lab.http.post(lab.url(TASKS, "/tasks/transaction"), json=body).status_code == 201
    events = lab.wait_for_events(mark, 6)
    assert sorted(one["data"]["title"] for one in events) == [*(f"{mark} {n}" for n in range(5)), f"{mark} created"]


@on_redis
def test_redis_publishes_the_event_of_a_transaction_that_it_refused(lab):
    """Why task-api uses no ETag in a transaction."""
    task, version = lab.create_task(f"Buy milk {uuid4()}")
    lab.change(task["id"], version, status="done")
    mark = uuid4().hex
    stale = {"key": f"task-{task['id']}", "value": mark, "etag": version.strip('"')}
    other = {"key": f"other-{mark}", "value": mark}
    operations = [{"operation": "upsert", "request": one} for one in (stale, other)]
    answer = lab.http.post(lab.sidecar(TASKS, TRANSACTION), json={"operations": operations})
    assert (answer.status_code, answer.json()["errorCode"]) == (500, "ERR_STATE_TRANSACTION")
    assert lab.task(task["id"]).json()["status"] == "done"
    assert lab.redis("HGET", f"task-api||other-{mark}", "data") == f'"{mark}"'.encode()
    lab.wait_for_events(mark, 2)


@pytest.mark.usefixtures("emptied")
def test_two_projections_after_their_states_panic_the_sidecar(lab):
    """The fault behind the order of operations in blocks/outbox.py. A call by gRPC ends the sidecar."""
    operations: list[dict[str, Any]] = []
    for key in (uuid4().hex, uuid4().hex):
        operations += [{"key": key, "value": 1}, {"key": key, "value": 2, "metadata": {"outbox.projection": "true"}}]
    body = {"operations": [{"operation": "upsert", "request": one} for one in operations]}
    with pytest.raises(httpx.RemoteProtocolError):
        lab.http.post(lab.sidecar(TASKS, TRANSACTION), json=body)


@on_redis
@pytest.mark.usefixtures("emptied")
def test_no_task_without_its_event_and_no_event_without_its_task_after_20_kills(lab):
    mark, ended = uuid4().hex[:8], threading.Event()
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write, lab, f"{mark} {number}", ended) for number in range(WRITERS)]
        try:
            for number in range(KILLS):
                sidecar = number % 2 == 1
                time.sleep(PAUSE_SECONDS)  # the moment of a kill is arbitrary: this waits for nothing
                control.kill(lab.stack, TASKS, sidecar=sidecar)
                control.restart(lab.stack, TASKS, sidecar=sidecar, keep_sidecar=not sidecar)
        finally:
            ended.set()
        answered = {task_id for writer in writers for task_id in writer.result()}
    stored = tasks_in_store(lab, mark)
    assert wait_until(lambda: stored.keys() <= {one["data"]["task_id"] for one in lab.events(mark)}, SETTLED_WITHIN)
    published = {one["data"]["task_id"] for one in lab.events(mark)}
    assert (stored.keys() - published, published - stored.keys()) == (set(), set())
    assert answered <= stored.keys()
    assert len(answered) >= KILLS
    # The other side: each task is notified about once, although some events are delivered more than once.
    expected = {f"Task created: {title}" for title in stored.values()}
    assert wait_until(lambda: expected <= messages(lab, mark).keys(), SETTLED_WITHIN)
    assert messages(lab, mark) == Counter(expected)


@on_redis
def test_an_event_without_its_transaction_uses_a_core_until_its_topic_is_deleted(lab):
    """What a sidecar leaves that is killed between the two (kit/engine/FAULTS.md)."""
    assert wait_until(lambda: sidecar_cpu(lab) < BUSY, 30)
    event = {"specversion": "1.0", "id": f"outbox-{uuid4()}", "source": TASKS, "type": "task.created", "data": {}}
    headers = {"content-type": "application/cloudevents+json"}
    url = lab.sidecar(TASKS, f"/v1.0/publish/taskpubsub/{INTERNAL}")
    lab.http.post(url, json=event, headers=headers).raise_for_status()
    assert wait_until(lambda: sidecar_cpu(lab) > BUSY, 40)
    control.restart(lab.stack, TASKS)
    assert wait_until(lambda: sidecar_cpu(lab) > BUSY, 60), "the next sidecar gets it too"
    control.kill(lab.stack, TASKS, sidecar=True)
    lab.redis("DEL", INTERNAL)
    control.restart(lab.stack, TASKS)
    lab.create_task(mark := f"Buy milk {uuid4()}")
    lab.wait_for_events(mark, 1)
    assert wait_until(lambda: sidecar_cpu(lab) < BUSY, 30)


def write(lab: Blocks, title: str, ended: threading.Event) -> list[str]:
    """Create tasks until the end. Return the ids of those that were answered."""
    answered: list[str] = []
    with httpx.Client(timeout=10) as http:
        for number in itertools.count():
            if ended.is_set():
                return answered
            try:
                answer = http.post(lab.url(TASKS, "/tasks"), json={"title": f"{title} {number}"})
            except httpx.HTTPError:
                ended.wait(0.05)
                continue
            if answer.status_code == 201:
                answered.append(answer.json()["id"])
            # All of them together are slower than the outbox, which publishes 100 events a second (taskpubsub.yaml).
            ended.wait(0.05)
    raise AssertionError("count() never ends")


def tasks_in_store(lab: Blocks, mark: str) -> dict[str, str]:
    """Return the titles of the tasks whose titles begin with `mark`, by id, from Redis itself."""
    keys = lab.redis("KEYS", "task-api||task-*")
    tasks = [json.loads(lab.redis("HGET", key.decode(), "data")) for key in keys]
    return {task["id"]: task["title"] for task in tasks if task["title"].startswith(mark)}


def messages(lab: Blocks, mark: str) -> Counter[str]:
    """Return how many notifications there are of each text with `mark`."""
    found: dict[str, str] = {}
    before: int | None = None
    while True:
        query = {"limit": 100} | ({} if before is None else {"before": before})
        page = lab.http.get(lab.url(NOTIFICATIONS, "/notifications"), params=query).json()
        # Of two deliveries at once, each may list the one notification, on two pages.
        found |= {one["id"]: one["message"] for one in page["notifications"] if mark in one["message"]}
        if (before := page["next"]) is None:
            return Counter(found.values())
