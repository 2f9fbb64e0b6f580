"""Tasks on the real state store: versions, expiry, the list, and a store that refuses writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from labctl.up.processes import wait_until
from tests.runtime.blocks.conftest import TASKS, Blocks
from tests.runtime.conftest import on_redis

pytestmark = pytest.mark.lab("blocks")

INCREMENTS, WRITERS = 1_000, 2
MANY, AT_ONCE = 10_000, 100


def test_of_two_changes_of_one_version_the_second_is_refused(lab):
    task, version = lab.create_task("Buy milk")
    first = lab.change(task["id"], version, status="done")
    assert first.json() == {**task, "status": "done"}
    second = lab.change(task["id"], version, title="Buy oat milk")
    assert (second.status_code, second.json()["code"]) == (412, "STALE")
    assert lab.task(task["id"]).json() == {**task, "status": "done"}
    assert delete(lab, task["id"], version) == 412
    assert delete(lab, task["id"], first.headers["etag"]) == 204
    gone = lab.task(task["id"])
    assert (gone.status_code, gone.json()["detail"]) == (404, "Task not found")
    # On Redis a write with the version of a deleted key would succeed.
    assert lab.change(task["id"], first.headers["etag"], title="x").status_code == 404


def test_two_writers_lose_no_update(lab):
    task, _ = lab.create_task("0")
    with ThreadPoolExecutor(WRITERS) as pool:
        conflicts = sum(pool.map(lambda _: count_up(lab, task["id"]), range(WRITERS)))
    assert lab.task(task["id"]).json()["title"] == str(INCREMENTS)
    assert conflicts > 0


def delete(lab: Blocks, task_id: str, version: str) -> int:
    """Delete a version of a task, and return the status of the answer."""
    return lab.http.delete(lab.url(TASKS, f"/tasks/{task_id}"), headers={"if-match": version}).status_code


def page(lab: Blocks, **query: int) -> dict[str, Any]:
    """Return a page of the list of tasks."""
    answer = lab.http.get(lab.url(TASKS, "/tasks"), params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def count_up(lab: Blocks, task_id: str) -> int:
    """Add 1 to the task's title, over and over. Return how often another writer was first."""
    conflicts, left = 0, INCREMENTS // WRITERS
    with httpx.Client(timeout=30) as http:
        url = lab.url(TASKS, f"/tasks/{task_id}")
        found = http.get(url)
        while left:
            change = {"title": str(int(found.json()["title"]) + 1)}
            found = http.patch(url, json=change, headers={"if-match": found.headers["etag"]})
            if found.status_code == 412:
                conflicts += 1
                found = http.get(url)
            else:
                left -= 1
            assert found.status_code == 200, found.text
    return conflicts


def test_a_task_expires_and_leaves_the_list(lab):
    task, _ = lab.create_task(f"short {uuid4()}", expires_in=1)
    assert wait_until(lambda: lab.task(task["id"]).status_code == 404, 20)
    assert task["id"] not in [one["id"] for one in page(lab)["tasks"]]


def test_a_transaction_replaces_tasks(lab):
    old, _ = lab.create_task("Plan the trip")
    body = {"create": [{"title": "Book a flight"}, {"title": "Book a hotel"}], "delete": [old["id"]]}
    answer = lab.http.post(lab.url(TASKS, "/tasks/transaction"), json=body)
    assert answer.status_code == 201, answer.text
    ids = [old["id"], *(one["id"] for one in answer.json()["tasks"])]
    found = lab.http.get(lab.url(TASKS, "/tasks/bulk"), params={"ids": ",".join(ids)}).json()["tasks"]
    assert [one["title"] for one in found] == ["Book a flight", "Book a hotel"]


@on_redis
def test_the_list_stays_cheap_and_complete_at_ten_thousand_tasks(lab):
    mark = uuid4().hex[:8]
    for start in range(0, MANY, AT_ONCE):
        tasks = [{"title": f"{mark} {number}", "expires_in": 300} for number in range(start, start + AT_ONCE)]
        answer = lab.http.post(lab.url(TASKS, "/tasks/bulk"), json={"tasks": tasks})
        assert answer.status_code == 201, answer.text
    # A new task writes one page of ids, which has a fixed size, and a reader reads only the pages that it shows.
    assert len(lab.redis("HGET", "task-api||tasks", "data")) < 5_000
    titles, before = list[str](), None
    while len(titles) < MANY:
        found = page(lab, limit=200, **({} if before is None else {"before": before}))
        titles += [one["title"] for one in found["tasks"]]
        before = found["next"]
    assert titles == [f"{mark} {number}" for number in range(MANY - 1, -1, -1)]


@on_redis
def test_a_store_that_refuses_writes_is_named_and_still_read(lab):
    task, version = lab.create_task("Buy milk")
    lab.redis("CONFIG", "SET", "maxmemory", "1")
    try:
        for answer in (lab.post_task("x"), lab.change(task["id"], version, title="x")):
            assert (answer.status_code, answer.json()["dependency"]) == (503, "taskstore")
        assert lab.task(task["id"]).json() == task
    finally:
        lab.redis("CONFIG", "SET", "maxmemory", "0")
    assert lab.change(task["id"], version, title="Buy oat milk").status_code == 200


@pytest.mark.parametrize("title", ["", "a\nb", "x" * 201, None])
def test_a_bad_title_is_refused_by_field(lab, title):
    answer = lab.post_task(title)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "title")
