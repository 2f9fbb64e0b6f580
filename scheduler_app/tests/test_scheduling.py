"""Scheduling, getting and deleting jobs: the answers, and the calls that reach the scheduler."""

import threading
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from conftest import fire, problem_of

from kit.fakes.sidecar.http_api import DEFAULT_POLICY
from kit.fakes.waiting import free_port

DEFAULT = {"data": {"message": "Hello from Python Job!"}, "schedule": "@every 10s", "repeats": 3}
DEEP = b'{"data": ' + b"[" * 198 + b"]" * 198 + b"}"


def scheduled(sidecar, name="j"):
    """Return a job as the scheduler has it, with its user's data."""
    return sidecar.jobs[name] | {"data": sidecar.jobs[name]["data"]["data"]}


@pytest.mark.parametrize("body", [None, {}])
def test_without_a_body_the_taught_job_is_scheduled(client, sidecar, body):
    answer = client.post("/schedule-job/report", json=body) if body is not None else client.post("/schedule-job/report")
    assert answer.status_code == 200
    assert answer.json() == {"status": "SUCCESS", "message": "Job 'report' scheduled successfully."}
    assert scheduled(sidecar, "report") == DEFAULT
    assert not sidecar.calls, "nothing is stored when a job is scheduled"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"schedule": "0 30 8 * * MON-FRI"}, {"schedule": "0 30 8 * * MON-FRI", "repeats": 3}),
        ({"schedule": "TZ=Europe/Berlin 0 0 8 * * *"}, {"schedule": "TZ=Europe/Berlin 0 0 8 * * *", "repeats": 3}),
        ({"schedule": None, "ttl": None, "overwrite": None}, {"schedule": "@every 10s", "repeats": 3}),
        ({"schedule": "@hourly", "repeats": None}, {"schedule": "@hourly"}),
        ({"repeats": 2**31, "ttl": "60s"}, {"schedule": "@every 10s", "repeats": 2**31, "ttl": "60s"}),
        ({"due_time": "30s"}, {"dueTime": "30s"}),
        ({"due_time": "30s", "repeats": 1}, {"dueTime": "30s"}),
        ({"due_time": "1s", "schedule": "@every 2s"}, {"dueTime": "1s", "schedule": "@every 2s", "repeats": 3}),
        ({"due_time": "1s", "failure_policy": {"drop": {}}}, {"dueTime": "1s", "failurePolicy": {"drop": {}}}),
        (
            {"due_time": "1s", "failure_policy": {"constant": {"interval": "0.5s", "maxRetries": 2}}},
            {"dueTime": "1s", "failurePolicy": {"constant": {"interval": "0.5s", "maxRetries": 2}}},
        ),
        (
            {"due_time": "1s", "failure_policy": {"constant": {}}},
            {"dueTime": "1s", "failurePolicy": {"constant": {"interval": "1s"}}},
        ),
    ],
)
def test_a_job_reaches_the_scheduler_in_its_words(client, sidecar, body, sent):
    assert client.post("/schedule-job/j", json=body).status_code == 200
    assert scheduled(sidecar) == {"data": DEFAULT["data"], **sent}


def test_a_job_carries_its_order_beside_its_data(client, sidecar):
    before = datetime.now(UTC)
    policy = {"constant": {"interval": "2s", "maxRetries": 5}}
    client.post("/schedule-job/j", json={"due_time": "1s", "data": 17, "failure_policy": policy})
    carried = sidecar.jobs["j"]["data"]
    assert before <= datetime.fromisoformat(carried["order"].pop("scheduled_at")) <= datetime.now(UTC)
    assert carried == {"order": {"due_time": "1s", "repeats": 3, "failure_policy": policy}, "data": 17}


@pytest.mark.parametrize("data", [None, 1.5, [1], {"ä": "漢", "n": 2**53 - 1}, {"order": {}, "data": 1}, "x" * 8190])
def test_any_json_goes_along_as_data(client, sidecar, data):
    assert client.post("/schedule-job/j", json={"due_time": "1s", "data": data}).status_code == 200
    details = {"name": "j", "dueTime": "1s", "data": data, "failurePolicy": DEFAULT_POLICY}
    assert client.get("/get-job/j").json() == {"status": "SUCCESS", "job_details": details}
    assert fire(client, sidecar).json()["data"] == data
    assert client.get("/runs/j").json()["runs"][0]["data"] == data


@pytest.mark.parametrize("name", ["a", "A-Z_0.9~", "..a", "...", "x" * 64])
def test_names_that_dapr_carries(client, sidecar, name):
    assert client.post(f"/schedule-job/{name}").status_code == 200
    assert list(sidecar.jobs) == [name]


@pytest.mark.parametrize(
    "name", ["a/b", "a?b", "a#b", "a%b", "a b", "ä", "x" * 65, "a|b", "a\\b", "a:b", "stream", "..", ".", "nl\n", "\n"]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/schedule-job/"), ("GET", "/get-job/"), ("DELETE", "/delete-job/"), ("GET", "/runs/")],
)  # fmt: skip
def test_names_that_dapr_would_lose_are_refused(client, sidecar, method, path, name):
    if path == "/runs/" and name == "stream":
        return  # that is the stream itself
    # Percent signs twice, because Starlette's TestClient decodes twice; dots, because it would resolve them.
    encoded = quote(name.replace("%", "%25"), safe="").replace(".", "%2E")
    body = problem_of(client.request(method, path + encoded), 422)
    assert [error["field"] for error in body["errors"]] == ["job_name"]
    assert not sidecar.calls, "the sidecar was not called"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"schedule": ""}, "schedule"),
        ({"schedule": "x" * 201}, "schedule"),
        ({"schedule": "@every 0s"}, "schedule"),
        ({"schedule": "@every 99ms"}, "schedule"),
        ({"schedule": "TZ=Europe/Berlin"}, "schedule"),
        ({"schedule": "0 0 0 31 2 *"}, "schedule"),
        ({"schedule": "0 , * * * *"}, "schedule"),
        ({"schedule": "TZ=UTC @every 1ms"}, "schedule"),
        *[({"schedule": f"{zone}=Local 0 0 8 * * *"}, "schedule") for zone in ("TZ", "CRON_TZ")],
        ({"schedule": "CRON_TZ=Europe/Berlin  @every 1h"}, "schedule"),
        ({"repeats": 0}, "repeats"),
        ({"repeats": 2**31 + 1}, "repeats"),
        ({"repeats": 1.5}, "repeats"),
        ({"due_time": "1s", "repeats": 2}, "repeats"),
        ({"due_time": "x" * 65}, "due_time"),
        ({"due_time": "9999-12-31T23:59:59-23:00"}, "due_time"),
        ({"due_time": "0001-01-01T00:00:00+01:00"}, "due_time"),
        ({"ttl": "0001-01-01T00:00:00+01:00"}, "ttl"),
        ({"data": "x" * 8191}, "data"),
        ({"data": {"n": [-(2**53)]}}, "data"),
        ({"overwrite": "yes"}, "overwrite"),
        ({"failure_policy": {"drop": {}, "constant": {}}}, "failure_policy.constant"),
        ({"failure_policy": {"drop": 1}}, "failure_policy.drop"),
        ({"failure_policy": {"constant": {"interval": "1m"}}}, "failure_policy.constant.interval"),
        ({"failure_policy": {"constant": {"interval": "0.0999s"}}}, "failure_policy.constant.interval"),
        ({"failure_policy": {"constant": {"maxRetries": -1}}}, "failure_policy.constant.maxRetries"),
        ({"failure_policy": {"retry": {}}}, "failure_policy.retry"),
        ({"dueTime": "1s"}, "dueTime"),
        ([], "body"),
    ],
)
def test_bad_input_is_named_and_reaches_nobody(client, sidecar, body, field):
    answer = client.post("/schedule-job/j", json=body)
    assert [error["field"] for error in problem_of(answer, 422)["errors"]] == [field]
    assert len(answer.content) < 1_000
    assert not sidecar.calls


@pytest.mark.parametrize("body", [b'{"data": NaN}', b'{"data": Infinity}', b"{", b"\xff", b"[" * 60_000, DEEP])
def test_what_is_no_json_is_refused(client, sidecar, body):
    answer = client.post("/schedule-job/j", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert not sidecar.calls


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"schedule": "0 * * * *"}, "schedule", "expected exactly 6 fields, found 5: [0 * * * *]"),
        ({"due_time": "nonsense"}, "due_time", "due time format not recognized"),
        ({"due_time": "1s", "ttl": "5s"}, "ttl", "job must have a schedule to have a ttl"),
        ({"schedule": "@every 80000000h"}, "schedule", "failed to parse duration @every 80000000h"),
    ],
)
def test_what_the_scheduler_refuses_comes_with_its_reason(client, sidecar, body, field, reason):
    answer = problem_of(client.post("/schedule-job/j", json=body), 422)
    assert answer["detail"] == f"{field}: {reason}"
    assert answer["errors"] == [{"field": field, "message": reason}]


def test_what_the_sidecar_cannot_read_is_the_users(client, sidecar):
    sidecar.jobs_answer = (400, "ERR_MALFORMED_REQUEST", "failed deserializing HTTP body: proto: invalid value")
    assert "proto: invalid value" in problem_of(client.post("/schedule-job/j"), 422)["detail"]


def test_a_second_job_of_a_name_is_a_conflict_and_overwrite_replaces_it(client, sidecar):
    client.post("/schedule-job/j", json={"schedule": "@every 1m"})
    assert "overwrite" in problem_of(client.post("/schedule-job/j", json={"schedule": "@every 5m"}), 409)["detail"]
    assert sidecar.jobs["j"]["schedule"] == "@every 1m"
    assert client.post("/schedule-job/j", json={"schedule": "@every 5m", "overwrite": True}).status_code == 200
    assert sidecar.jobs["j"]["schedule"] == "@every 5m"


def test_a_job_without_data_that_was_made_at_the_sidecar_is_shown_and_deleted(client, sidecar):
    sidecar.jobs["j"] = {"schedule": "@every 1m"}
    assert client.get("/get-job/j").json() == {"status": "SUCCESS", "job_details": {"name": "j", "data": None}}
    assert client.delete("/delete-job/j").json()["message"] == "Job 'j' deleted successfully."
    assert not sidecar.jobs


def test_a_missing_job_is_404(client):
    assert "job_name" in problem_of(client.get("/get-job/missing"), 404)["detail"]


def test_deleting_twice_is_no_error(client, sidecar):
    client.post("/schedule-job/j")
    first, second = (client.delete("/delete-job/j") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == {"status": "SUCCESS", "message": "Job 'j' deleted successfully."}
    assert second.json() == {"status": "SUCCESS", "message": "Job 'j' not found or already deleted."}
    assert not sidecar.jobs


CALLS = [("POST", "/schedule-job/j"), ("GET", "/get-job/j"), ("DELETE", "/delete-job/j")]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_scheduler_that_does_not_answer_is_named_after_the_time_limit(serve, sidecar, method, path):
    client, released = serve(scheduler_timeout_seconds=0.2), threading.Event()
    sidecar.before = lambda called, _: called.endswith("Job") and released.wait(5)
    body = problem_of(client.request(method, path), 504)
    released.set()
    assert body["dependency"] == "Dapr scheduler"
    assert "0.2 s" in body["detail"]


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (503, "failed due to: rpc error: code = Unavailable desc = error reading from server: EOF", 503),
        (500, "failed due to: rpc error: code = Unknown desc = cron is closed", 503),
        (500, "failed due to: rpc error: code = Unknown desc = etcd is unwell", 502),
    ],
)
def test_a_scheduler_that_fails_is_named_with_daprs_code(client, sidecar, method, path, status, message, expected):
    sidecar.jobs_answer = (status, "DAPR_SCHEDULER_X", message)
    answer = client.request(method, path)
    body = problem_of(answer, expected)
    assert (body["dependency"], body["errorCode"]) == ("Dapr scheduler", "DAPR_SCHEDULER_X")
    assert answer.headers.get("retry-after") == ("1" if expected == 503 else None)
    assert "desc" not in body["detail"]


@pytest.mark.parametrize(("method", "path"), [*CALLS, ("GET", "/runs"), ("GET", "/dead-letters"), ("POST", "/job/j")])
def test_without_a_sidecar_the_app_says_so(serve, method, path):
    client = serve(dapr_http_port=free_port(), dapr_grpc_port=free_port())
    assert client.get("/healthz").status_code == 200
    body = problem_of(client.request(method, path, json=1 if path == "/job/j" else None), 503)
    assert body["dependency"] == "Dapr sidecar"


@pytest.mark.parametrize(("method", "path"), [("GET", "/runs/j"), ("POST", "/job/j")])
def test_a_store_that_is_down_is_named(client, sidecar, method, path):
    sidecar.is_down = True
    body = problem_of(client.request(method, path, json=1 if path == "/job/j" else None), 503)
    assert body["dependency"] == "statestore"
    assert "6379" not in str(body)


def test_a_refused_api_token_is_this_apps_own_fault(client, sidecar):
    sidecar.jobs_answer = (401, "", "invalid api token")
    assert "DAPR_API_TOKEN" in problem_of(client.get("/get-job/j"), 502)["detail"]
