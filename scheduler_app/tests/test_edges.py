"""The edges of the scheduler app: what only Dapr may call, bodies, settings, and its end."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

import pytest
from conftest import problem_of, process, runs_in

from kit.fakes.waiting import eventually


def test_the_welcome_names_the_main_routes(client):
    message = client.get("/").json()["message"]
    assert all(route in message for route in ("/schedule-job/{job_name}", "/runs/stream", "/docs", "/readyz"))
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize("path", ["/job/j", "/events/schedule-job", "/events/schedule-job-dead"])
@pytest.mark.parametrize("token", [None, "wrong"])
def test_with_a_token_only_the_sidecar_may_call_these_routes(serve, sidecar, path, token):
    client = serve(app_api_token="s3cret")
    headers = {} if token is None else {"dapr-api-token": token}
    assert "dapr-api-token" in problem_of(client.post(path, json={}, headers=headers), 401)["detail"]
    assert not sidecar.values
    assert client.post(path, json={}, headers={"dapr-api-token": "s3cret"}).status_code == 200
    assert client.get("/runs").status_code == 200, "users need no token"


def test_the_faults_are_for_callbacks(client):
    client.put("/faults", json={"fail_next": 1, "status": 429})
    assert client.post("/schedule-job/j").status_code == 200
    assert "Simulated" in problem_of(client.post("/job/j", json=1), 429)["detail"]
    assert client.post("/job/j", json=1).status_code == 200
    assert client.get("/faults").json() == {"fail_next": 0, "delay_ms": 0, "status": 429, "calls": 2}


def test_an_unexpected_fault_of_the_store_fails_the_callback_that_waits(client, sidecar):
    client.post("/job/j", json=1)
    runs = sidecar.value("runs")
    sidecar.put("runs", {"nonsense": True})
    problem_of(client.post("/job/j", json=1), 500)
    sidecar.put("runs", runs)
    assert client.post("/job/j", json=1).status_code == 200


def test_a_callback_in_flight_is_recorded_and_answered_after_sigterm(sidecar):
    with process(sidecar, FAULTS_ENABLED="true") as (running, port), ThreadPoolExecutor() as pool:
        base, json_body = f"http://127.0.0.1:{port}", {"content-type": "application/json"}
        urlopen(Request(f"{base}/faults", b'{"delay_ms": 500}', json_body, method="PUT")).read()
        answer = pool.submit(lambda: urlopen(Request(f"{base}/job/j", b"1", json_body)).status)
        eventually(lambda: json.load(urlopen(f"{base}/faults"))["calls"])
        running.terminate()
        assert answer.result(10) == 200
        assert running.wait(10) in (0, -signal.SIGTERM)
    assert len(runs_in(sidecar)) == 1
