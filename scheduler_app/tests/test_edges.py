"""Health, tokens, faults, errors: what every service of the labs has."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

import pytest
from conftest import free_port, problem_of, process
from pydantic import ValidationError

from settings import Settings


def test_healthy_without_a_sidecar_and_ready_with_one(serve):
    assert serve(dapr_http_port=free_port()).get("/healthz").json() == {"status": "ok"}
    assert serve().get("/readyz").json() == {"status": "ready"}


def test_not_ready_while_the_sidecar_is_not(serve, sidecar):
    sidecar.ready = False
    assert "is not ready" in problem_of(serve().get("/readyz"), 503)["detail"]
    assert "cannot be reached" in problem_of(serve(dapr_http_port=free_port()).get("/readyz"), 503)["detail"]


def test_the_welcome_names_the_main_routes(client):
    message = client.get("/").json()["message"]
    assert all(route in message for route in ("/schedule-job/{job_name}", "/runs/stream", "/docs", "/readyz"))
    assert client.get("/docs").status_code == 200


DAPRS = ["/job/j", "/events/schedule-job", "/events/schedule-job-dead"]


@pytest.mark.parametrize("path", DAPRS)
@pytest.mark.parametrize("token", [None, "wrong", "", "s3crét"])
def test_with_a_token_only_the_sidecar_may_call_what_is_daprs(serve, sidecar, path, token):
    client = serve(app_api_token="s3cret")
    headers = {} if token is None else {"dapr-api-token": token.encode()}
    assert "dapr-api-token" in problem_of(client.post(path, json={}, headers=headers), 401)["detail"]
    assert not sidecar.state
    assert client.post(path, json={}, headers={"dapr-api-token": "s3cret"}).status_code == 200


def test_users_need_no_token(serve):
    client = serve(app_api_token="s3cret")
    assert client.post("/schedule-job/j").status_code == 200
    assert client.get("/runs").status_code == 200


@pytest.mark.parametrize("path", DAPRS)
def test_without_a_token_set_everyone_is_admitted(serve, monkeypatch, path):
    monkeypatch.setenv("APP_API_TOKEN", "")
    assert serve().post(path, json={}).status_code == 200


def test_faults_are_counted_down_and_can_be_read(client):
    assert client.put("/faults", json={"fail_next": 1, "status": 429}).json() == {
        "fail_next": 1, "delay_ms": 0, "status": 429, "calls": 0,
    }  # fmt: skip
    assert "Simulated" in problem_of(client.post("/job/j", json=1), 429)["detail"]
    assert client.post("/job/j", json=1).status_code == 200
    assert client.get("/faults").json() == {"fail_next": 0, "delay_ms": 0, "status": 429, "calls": 2}
    assert client.delete("/faults").status_code == 204


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fail_next": -1}, "fail_next"),
        ({"status": 200}, "status"),
        ({"delay_ms": 30_001}, "delay_ms"),
        ({"x": 1}, "x"),
    ],
)
def test_bad_faults_are_refused_by_field(client, body, field):
    assert [error["field"] for error in problem_of(client.put("/faults", json=body), 422)["errors"]] == [field]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_the_switches_are_not_there_unless_enabled(serve, method):
    problem_of(serve().request(method, "/faults", json={} if method == "PUT" else None), 404)


def test_no_such_route_and_wrong_method(client):
    problem_of(client.get("/nothing"), 404)
    assert problem_of(client.get("/schedule-job/j"), 405)["title"] == "Method Not Allowed"


@pytest.mark.parametrize("path", ["/schedule-job/j", "/job/j", "/events/schedule-job"])
def test_a_body_that_is_too_large(serve, path):
    client = serve(max_body_bytes=100)
    problem_of(client.post(path, content=b" " * 101, headers={"content-type": "application/json"}), 413)


def test_what_nobody_foresaw_is_a_500_without_details(client):
    @client.app.get("/broken")
    async def broken():
        raise ZeroDivisionError("the secret is 42")

    assert "42" not in str(problem_of(client.get("/broken"), 500))


def test_what_nobody_foresaw_of_the_store_is_told_to_the_callback_that_waits(client, sidecar):
    client.post("/job/j", json=1)
    sidecar.state["runs"] = ({"nonsense": True}, 1, 1)
    problem_of(client.post("/job/j", json=1), 500)
    del sidecar.state["runs"]
    assert client.post("/job/j", json=1).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [("dapr_http_port", 0), ("state_store", ""), ("scheduler_timeout_seconds", 0), ("retention_seconds", 5)],
)
def test_a_setting_that_cannot_work_is_named(name, value):
    with pytest.raises(ValidationError, match=name):
        Settings(_env_file=None, **{name: value})


def test_a_callback_in_flight_is_recorded_and_answered_after_sigterm(sidecar):
    with (
        process(DAPR_HTTP_PORT=sidecar.port, FAULTS_ENABLED="true") as (running, port),
        ThreadPoolExecutor() as pool,
    ):
        base, json_body = f"http://127.0.0.1:{port}", {"content-type": "application/json"}
        urlopen(Request(f"{base}/faults", b'{"delay_ms": 500}', json_body, method="PUT")).read()
        answer = pool.submit(lambda: urlopen(Request(f"{base}/job/j", b"1", json_body)).status)
        while json.load(urlopen(f"{base}/faults"))["calls"] == 0:
            time.sleep(0.01)
        running.terminate()
        assert answer.result(10) == 200
        assert running.wait(10) in (0, -signal.SIGTERM)
    assert len(sidecar.runs()) == 1
