"""Callbacks and the runs that are recorded."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from conftest import fire, largest_value, problem_of

PAGE_SIZE = 50


def runs(client, path="/runs", **query):
    return client.get(path, params=query).json()["runs"]


def test_a_callback_is_answered_and_recorded(client):
    before = datetime.now(UTC)
    answer = client.post("/job/report", json={"message": "Hello"})
    assert answer.status_code == 200
    assert answer.json()["status"] == "SUCCESS"
    assert answer.json()["data"] == {"message": "Hello"}
    assert before <= datetime.fromisoformat(answer.json()["received_at"]) <= datetime.now(UTC)
    expected = {
        "job_name": "report", "fired_at": answer.json()["received_at"], "lateness_ms": None,
        "data": {"message": "Hello"}, "attempt": 1, "outcome": "succeeded",
    }  # fmt: skip
    assert runs(client) == [expected] == runs(client, "/runs/report")
    assert runs(client, "/runs/other") == []
    assert client.post("/job/report", json=None).status_code == 200
    assert len(runs(client)) == len(runs(client, "/runs/report")) == 2


@pytest.mark.parametrize(
    ("body", "data"),
    [(b"null", None), (b'"text"', "text"), (b"17", 17), (b"\x0a\xff", "\n�"), (b"", ""), (b"[" * 20_000, "[" * 20_000),
     (b'"\\ud800"', '"\\ud800"'), (b"[" * 198 + b"]" * 198, "[" * 198 + "]" * 198)],
)  # fmt: skip
def test_data_of_any_kind_is_taken(client, body, data):
    assert client.post("/job/j", content=body, headers={"content-type": "application/json"}).json()["data"] == data
    assert runs(client)[0]["data"] == data


@pytest.mark.parametrize("character", ["x", "ä", '"', "\x00"])
def test_all_data_that_a_job_of_this_app_can_have_is_kept_whole(client, sidecar, character):
    data = character * ((8_192 - 2) // len(json.dumps(character, ensure_ascii=False)[1:-1].encode()))
    assert client.post("/schedule-job/j", json={"due_time": "1s", "data": data}).status_code == 200
    for _ in range(PAGE_SIZE):
        fire(client, sidecar)
    assert {run["data"] for run in runs(client, limit=PAGE_SIZE)} == {data}
    assert 2 * largest_value(sidecar) < 4 * 1024 * 1024


def test_of_larger_data_the_beginning_is_kept(client):
    assert client.post("/job/j", json="x" * 100_000).status_code == 200
    (run,) = runs(client)
    assert run["data"].endswith("… (100,002 characters)")
    assert len(run["data"]) < 5_000


@pytest.mark.parametrize(
    "order", [{"due_time": "40s"}, {"schedule": "@every 40s"}, {"schedule": "@every 1h", "due_time": "40s"}]
)
def test_lateness_is_from_when_the_job_was_due(client, sidecar, order):
    client.post("/schedule-job/j", json=order)
    sidecar.jobs["j"]["data"]["order"]["scheduled_at"] = (datetime.now(UTC) - timedelta(seconds=50)).isoformat()
    fire(client, sidecar)
    assert 10_000 <= runs(client)[0]["lateness_ms"] < 15_000


@pytest.mark.parametrize(
    "data",
    [
        {"order": 17, "data": 1},
        {"order": {"schedule": "@every 1s"}, "data": 1},
        {"order": {"scheduled_at": "2026-11-21T12:00:00"}, "data": 1},
        {"order": {"scheduled_at": "2026-11-21T12:00:00Z", "paid": True}, "data": 1},
        {"order": {"scheduled_at": "2026-11-21T12:00:00Z", "schedule": "@every 1s"}},
    ],
)
def test_data_that_only_resembles_what_a_job_of_this_app_carries_is_taken_as_it_is(client, data):
    assert client.post("/job/j", json=data).json()["data"] == data
    (run,) = runs(client)
    assert (run["data"], run["lateness_ms"]) == (data, None)


def fail(client, times, **faults):
    client.put("/faults", json={"fail_next": times, **faults})


def test_a_failed_callback_is_a_failed_run_and_its_retry_the_next_attempt(client):
    fail(client, 3, status=503)
    statuses = [client.post("/job/j", json=1).status_code for _ in range(5)]
    assert statuses == [503, 503, 503, 200, 200]
    told = [(run["attempt"], run["outcome"]) for run in reversed(runs(client))]
    assert told == [(1, "failed"), (2, "failed"), (3, "failed"), (4, "succeeded"), (1, "succeeded")]


def test_after_the_last_retry_the_next_run_is_a_first_attempt(client):
    fail(client, 100)
    for _ in range(5):
        client.post("/job/j", json=1)
    assert [run["attempt"] for run in reversed(runs(client))] == [1, 2, 3, 4, 1]


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [({"drop": {}}, [1, 1, 1]), ({"constant": {"maxRetries": 1}}, [1, 2, 1]), ({"constant": {}}, [1, 2, 3])],
)
def test_attempts_follow_the_failure_policy(client, sidecar, policy, attempts):
    client.post("/schedule-job/j", json={"schedule": "@every 1h", "failure_policy": policy})
    fail(client, 100)
    for _ in range(3):
        fire(client, sidecar)
    assert [run["attempt"] for run in reversed(runs(client))] == attempts


def test_a_run_long_after_a_failed_one_is_no_retry(serve, sidecar):
    client = serve(faults_enabled=True, retry_slack_seconds=0)
    client.post("/schedule-job/j", json={"failure_policy": {"constant": {"interval": "0.1s"}}})
    fail(client, 1)
    fire(client, sidecar)
    threading.Event().wait(0.11)
    fire(client, sidecar)
    assert runs(client)[0]["attempt"] == 1


def test_a_new_order_starts_its_attempts_anew(client, sidecar):
    fail(client, 1)
    client.post("/job/j", json=1)
    client.post("/schedule-job/j", json={"due_time": "0s"})
    fire(client, sidecar)
    assert runs(client)[0]["attempt"] == 1


def test_a_page_of_runs_names_the_next_one(client):
    for number in range(7):
        client.post("/job/j", json=number)
    for path in ("/runs", "/runs/j"):
        first = client.get(path, params={"limit": 5}).json()
        second = client.get(path, params={"limit": 5, "before": first["next"]}).json()
        assert [run["data"] for run in first["runs"] + second["runs"]] == [6, 5, 4, 3, 2, 1, 0]
        assert second["next"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "before=-1", "before=x", f"before={2**60}"])
def test_a_bad_page_is_named(client, query):
    assert problem_of(client.get(f"/runs?{query}"), 422)["errors"][0]["field"] == query.split("=")[0]


def test_everything_stored_has_its_end(serve, sidecar):
    client = serve(retention_seconds=1_000)
    for _ in range(PAGE_SIZE + 1):
        client.post("/job/j", json=1)
    client.post("/events/schedule-job", json={"data": {"job_name": "j"}})
    client.post("/events/schedule-job-dead", json={"data": {"job_name": "a/b"}})
    assert {value.ttl for value in sidecar.values.values()} == {1_000}


def test_a_run_that_cannot_be_stored_fails_the_callback_so_that_it_comes_again(client, sidecar):
    sidecar.is_down = True
    problem_of(client.post("/job/j", json=1), 503)
    sidecar.is_down = False
    assert client.post("/job/j", json=1).status_code == 200
    assert len(runs(client)) == 1


@pytest.mark.parametrize("name", ["a b", "a%2525b", "ä"])
def test_a_job_scheduled_past_this_app_is_recorded_whatever_its_name(client, name):
    assert client.post(f"/job/{name}", json=1).status_code == 200
    assert len(runs(client)) == 1
