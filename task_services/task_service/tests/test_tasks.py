"""Tasks: create, read, change, delete and list them, with every conflict and bad input."""

import json
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from conftest import problem_of

URL = "/tasks/{}"


def test_a_created_task_is_stored_with_its_event_in_one_transaction(client, sidecar, task):
    assert task == {"id": task["id"], "title": "Buy milk", "status": "pending"}
    assert sidecar.value(f"task-{task['id']}", "taskstore") == task
    (event,) = sidecar.published
    assert (event.topic, event.event["type"]) == ("outbox", "task.created")
    assert event.data == {"event_type": "task.created", "task_id": task["id"], "title": "Buy milk"}
    assert client.get(URL.format(task["id"])).json() == task


def test_a_lost_transaction_leaves_an_id_on_the_list_and_no_task(client, sidecar):
    sidecar.refuse = lambda method, key: (
        (grpc.StatusCode.INTERNAL, "no") if method == "ExecuteStateTransaction" else None
    )
    assert problem_of(client.post("/tasks", json={"title": "x"}), 503)["dependency"] == "taskstore"
    assert len(sidecar.value("tasks")["entries"]) == 1
    assert client.get("/tasks").json() == {"tasks": [], "next": None}


def test_tasks_that_are_created_at_once_share_the_writes_of_the_list(client, sidecar):
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: client.post("/tasks", json={"title": str(number)}), range(100)))
    assert {answer.status_code for answer in answers} == {201}
    assert len(client.get("/tasks", params={"limit": 200}).json()["tasks"]) == 100
    assert sidecar.saved("tasks") < 100


def test_a_task_expires(client, sidecar):
    created = client.post("/tasks", json={"title": "x", "expires_in": 60}).json()
    assert sidecar.ttls() == {f"task-{created['id']}": 60}
    sidecar.expire()
    assert problem_of(client.get(URL.format(created["id"])), 404)["detail"] == "Task not found"
    assert client.get("/tasks").json()["tasks"] == []


def test_a_change_needs_the_version_that_was_read(client, task):
    url = URL.format(task["id"])
    version = client.get(url).headers["etag"]
    changed = client.patch(url, json={"status": "done"}, headers={"if-match": version})
    assert changed.json() == {**task, "status": "done"}
    assert problem_of(client.patch(url, json={"title": "x"}), 428)["code"] == "NO_VERSION"
    other = '"6d5f1c0e-3b7a-4c58-9f63-1a2b3c4d5e6f"'  # as PostgreSQL would have it
    for stale in (version, '"99"', '"0"', "*", 'W/"2"', "x", other):
        answer = client.patch(url, json={"title": "x"}, headers={"if-match": stale})
        assert problem_of(answer, 412)["code"] == "STALE"
        assert client.delete(url, headers={"if-match": stale}).status_code == 412
    assert client.patch(url, json={"title": "y"}, headers={"if-match": changed.headers["etag"]}).json()["title"] == "y"


def test_a_deleted_task_is_gone_and_a_late_change_does_not_bring_it_back(client, sidecar, task):
    url = URL.format(task["id"])

    def delete_first(method, key):
        if method == "SaveState" and key == f"task-{task['id']}":
            sidecar.values.pop(("taskstore", key), None)

    sidecar.before = delete_first
    version = client.get(url).headers["etag"]
    assert client.patch(url, json={"title": "x"}, headers={"if-match": version}).status_code == 404
    assert client.get(url).status_code == 404
    assert client.delete(url, headers={"if-match": version}).status_code == 404


def test_a_store_that_refuses_writes_is_no_conflict(client, sidecar, task):
    sidecar.refuse = lambda method, _: (grpc.StatusCode.ABORTED, "READONLY") if method == "SaveState" else None
    answer = client.patch(URL.format(task["id"]), json={"title": "x"}, headers={"if-match": '"1"'})
    assert problem_of(answer, 503)["errorCode"] == "ABORTED"


def test_many_tasks_are_imported_and_read_by_one_call(client, sidecar):
    new = [{"title": f"t{number}", "expires_in": 60 + number} for number in range(3)]
    imported = client.post("/tasks/bulk", json={"tasks": new}).json()["tasks"]
    assert [one["title"] for one in imported] == ["t0", "t1", "t2"]
    assert sidecar.published == []
    assert sorted(sidecar.ttls().values()) == [60, 61, 62]
    ids = [imported[2]["id"], "unknown", imported[0]["id"]]
    found = client.get("/tasks/bulk", params={"ids": ",".join(ids)}).json()["tasks"]
    assert [one["title"] for one in found] == ["t2", "t0"]


def test_a_transaction_creates_and_deletes(client, sidecar, task):
    body = {"create": [{"title": "a"}, {"title": "b"}], "delete": [task["id"]]}
    created = client.post("/tasks/transaction", json=body).json()["tasks"]
    assert [one["title"] for one in client.get("/tasks").json()["tasks"]] == ["b", "a"]
    assert [one.data["task_id"] for one in sidecar.published] == [task["id"], *(one["id"] for one in created)]


def test_pages_hold_all_tasks_newest_first(client):
    client.post("/tasks/bulk", json={"tasks": [{"title": str(number)} for number in range(100)]})
    client.post("/tasks/bulk", json={"tasks": [{"title": str(number)} for number in range(100, 120)]})
    titles, before = [], None
    while True:
        page = client.get("/tasks", params={"limit": 50} | ({"before": before} if before else {})).json()
        titles += [int(one["title"]) for one in page["tasks"]]
        if (before := page["next"]) is None:
            break
    assert titles == list(range(119, -1, -1))


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/tasks", {}, "title"),
        ("/tasks", {"title": ""}, "title"),
        ("/tasks", {"title": "a\nb"}, "title"),
        ("/tasks", {"title": "x" * 201}, "title"),
        ("/tasks", {"title": 1}, "title"),
        ("/tasks", {"title": "x", "expires_in": 0}, "expires_in"),
        ("/tasks", {"title": "x", "more": 1}, "more"),
        ("/tasks/bulk", {"tasks": []}, "tasks"),
        ("/tasks/transaction", {"create": [{"title": ""}]}, "create.title"),
        ("/tasks/transaction", {"create": [{"title": "x"}], "delete": ["a||b"]}, "delete"),
        ("/announcements", {"message": ""}, "message"),
        ("/announcements", {"message": "x", "user_id": "a b"}, "user_id"),
        ("/announcements/bulk", {"announcements": [{"message": "x", "raw": True}]}, "announcements.raw"),
    ],
)
def test_bad_input_is_refused_by_field_and_nothing_is_done(client, sidecar, path, body, field):
    assert [one["field"] for one in problem_of(client.post(path, json=body), 422)["errors"]] == [field]
    assert (sidecar.keys(), sidecar.published) == ([], [])


def test_ids_and_changes_are_checked(client, sidecar):
    assert problem_of(client.get("/tasks/a||b"), 422)["errors"][0]["field"] == "task_id"
    assert problem_of(client.get("/tasks/bulk", params={"ids": "a||b"}), 422)["errors"][0]["field"] == "ids"
    assert client.patch("/tasks/x", json={}, headers={"if-match": '"1"'}).status_code == 422
    assert (sidecar.keys(), sidecar.published) == ([], [])


@pytest.mark.parametrize("path", ["/tasks", "/tasks/x", "/tasks/bulk?ids=x"])
def test_a_store_that_is_down_is_named(client, sidecar, path):
    sidecar.is_down = True
    answer = problem_of(client.get(path), 503)
    assert answer["dependency"] == "taskstore"
    assert "127.0.0.1" not in json.dumps(answer)
