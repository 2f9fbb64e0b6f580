"""Callbacks and the runs that are recorded."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.request import urlopen

import pytest
from conftest import largest_value, problem_of, process, runs_in

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
     (b'"\\ud800"', '"\\ud800"'), (b"[" * 300 + b"]" * 300, "[" * 300 + "]" * 300)],
)  # fmt: skip
def test_data_of_any_kind_is_taken(client, body, data):
    assert client.post("/job/j", content=body).json()["data"] == data
    assert runs(client)[0]["data"] == data


@pytest.mark.parametrize("character", ["x", "ä", '"', "\x00"])
def test_all_data_that_a_job_of_this_app_can_have_is_kept_whole(client, sidecar, character):
    data = character * ((8_192 - 2) // len(json.dumps(character, ensure_ascii=False)[1:-1].encode()))
    assert client.post("/schedule-job/j", json={"due_time": "1s", "data": data}).status_code == 200
    for _ in range(PAGE_SIZE):
        client.post("/job/j", json=data)
    assert {run["data"] for run in runs(client, limit=PAGE_SIZE)} == {data}
    assert 2 * largest_value(sidecar) < 4 * 1024 * 1024


def test_of_larger_data_the_beginning_is_kept(client):
    assert client.post("/job/j", json="x" * 100_000).status_code == 200
    (run,) = runs(client)
    assert run["data"].endswith("… (100,002 characters)")
    assert len(run["data"]) < 5_000


@pytest.mark.parametrize(
    ("order", "due_within", "at_most_ms"),
    [
        ({"due_time": "0s"}, 0, 2_000),
        ({"schedule": "@every 100ms"}, 0.11, 100),
        ({"schedule": "* * * * * *"}, 1.01, 1_000),
        ({"schedule": "@every 1h", "due_time": "0s"}, 0, 2_000),
    ],
)
def test_lateness_is_from_when_the_job_was_due(client, order, due_within, at_most_ms):
    client.post("/schedule-job/j", json=order)
    threading.Event().wait(due_within)
    client.post("/job/j", json=1)
    assert 0 <= runs(client)[0]["lateness_ms"] <= at_most_ms


def test_a_one_shot_that_comes_late_says_how_late(client):
    due = datetime.now(UTC) - timedelta(seconds=90)
    client.post("/schedule-job/j", json={"due_time": due.isoformat()})
    client.post("/job/j", json=1)
    assert 90_000 <= runs(client)[0]["lateness_ms"] < 95_000


def test_a_job_that_fires_before_its_scheduling_is_answered_has_its_lateness(client, sidecar):
    sidecar.before = lambda method, key: method == "ScheduleJob" and client.post(f"/job/{key}", json=1)
    client.post("/schedule-job/j", json={"due_time": "0s"})
    assert runs(client)[0]["lateness_ms"] is not None


def test_a_refused_order_leaves_no_trace_in_the_lateness(client):
    client.post("/schedule-job/j", json={"schedule": "0 * * * *"})
    client.post("/job/j", json=1)
    assert runs(client)[0]["lateness_ms"] is None


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
def test_attempts_follow_the_failure_policy(client, policy, attempts):
    client.post("/schedule-job/j", json={"schedule": "@every 1h", "failure_policy": policy})
    fail(client, 100)
    for _ in range(3):
        client.post("/job/j", json=1)
    assert [run["attempt"] for run in reversed(runs(client))] == attempts


def test_a_run_long_after_a_failed_one_is_no_retry(serve):
    client = serve(faults_enabled=True, retry_slack_seconds=0)
    client.post("/schedule-job/j", json={"failure_policy": {"constant": {"interval": "0.1s"}}})
    fail(client, 1)
    client.post("/job/j", json=1)
    threading.Event().wait(0.11)
    client.post("/job/j", json=1)
    assert runs(client)[0]["attempt"] == 1


def test_a_new_order_starts_its_attempts_anew(client):
    fail(client, 1)
    client.post("/job/j", json=1)
    client.post("/schedule-job/j", json={"due_time": "0s"})
    client.post("/job/j", json=1)
    assert runs(client)[0]["attempt"] == 1


def test_pages_go_back_to_the_first_run_without_a_gap(client, sidecar):
    count = 2 * PAGE_SIZE + 7
    for number in range(count):
        client.post("/job/j", json=number)
    assert sidecar.value("runs")["page"] == 2
    assert len(sidecar.value("runs:0")["entries"]) == PAGE_SIZE
    for path in ("/runs", "/runs/j"):
        seen, before = [], None
        while True:
            page = client.get(path, params={"limit": 20} | ({} if before is None else {"before": before})).json()
            seen += [run["data"] for run in page["runs"]]
            if (before := page["next"]) is None:
                break
        assert seen == list(reversed(range(count)))
    assert [run["data"] for run in runs(client, limit=200)] == seen


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "before=-1", "before=x", f"before={2**60}"])
def test_a_bad_page_is_named(client, query):
    assert problem_of(client.get(f"/runs?{query}"), 422)["errors"][0]["field"] == query.split("=")[0]


def test_everything_stored_has_its_end(serve, sidecar):
    client = serve(retention_seconds=1_000)
    for _ in range(PAGE_SIZE + 1):
        client.post("/job/j", json=1)
    assert {value.ttl for value in sidecar.values.values()} == {1_000}


def test_the_record_of_a_job_outlasts_the_time_until_it_is_due(serve, sidecar):
    client = serve(retention_seconds=1_000)
    client.post("/schedule-job/j", json={"due_time": "5000s"})
    assert 5_900 < sidecar.values["statestore", "job:j"].ttl <= 6_000


def test_a_run_that_cannot_be_stored_fails_the_callback_so_that_it_comes_again(client, sidecar):
    sidecar.is_down = True
    problem_of(client.post("/job/j", json=1), 503)
    sidecar.is_down = False
    assert client.post("/job/j", json=1).status_code == 200
    assert len(runs(client)) == 1


def test_two_replicas_at_once_lose_nothing_and_double_nothing(sidecar):
    each = PAGE_SIZE + 10

    def call(port, first):
        for number in range(first, first + each):
            urlopen(f"http://127.0.0.1:{port}/job/j", json.dumps(number).encode(), timeout=10).read()

    with process(sidecar) as (_, one), process(sidecar) as (_, other), ThreadPoolExecutor() as pool:
        calls = [pool.submit(call, one, 0), pool.submit(call, other, each)]
        for done in calls:
            done.result(60)
    assert sidecar.saved("runs") > 2 * each, "they did not meet: this test shows nothing"
    for key in ("runs", "job:j"):
        assert sorted(run["data"] for run in runs_in(sidecar, key)) == list(range(2 * each))


@pytest.mark.parametrize("name", ["a b", "a%2525b", "ä"])
def test_a_job_scheduled_past_this_app_is_recorded_whatever_its_name(client, name):
    assert client.post(f"/job/{name}", json=1).status_code == 200
    assert len(runs(client)) == 1


def test_a_record_of_a_job_in_the_far_future_is_kept_as_long_as_dapr_can(client, sidecar):
    client.post("/schedule-job/j", json={"due_time": "9999-12-31T23:59:59Z"})
    assert sidecar.values["statestore", "job:j"].ttl == 2**31 - 1


def test_a_record_that_a_newer_rule_forbids_is_as_good_as_none(client, sidecar):
    client.post("/schedule-job/j", json={"schedule": "@every 1h", "due_time": "0s"})
    head = sidecar.value("job:j")
    head["remembered"]["order"]["schedule"] = "TZ=UTC @every 1ms"
    sidecar.put("job:j", head)
    assert client.post("/job/j", json=1).status_code == 200
    assert runs(client)[0]["lateness_ms"] is None
