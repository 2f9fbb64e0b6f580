"""Health, the sidecar's token, faults on purpose, bounds, and the process itself."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from conftest import SERVICE, cloud_event, turn

from kit.fakes.waiting import eventually, process

FROM_DAPR = ["/events/conversations", "/events/conversations-dead", "/job/trim-x"]


def test_alive_without_a_sidecar_and_ready_with_one(client, sidecar):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    sidecar.ready = False
    answer = client.get("/readyz")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")


def test_the_welcome_names_the_routes(client):
    assert "/memories/{user_id}" in client.get("/").json()["message"]
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize("path", FROM_DAPR)
@pytest.mark.parametrize("headers", [{}, {"dapr-api-token": "wrong"}, {"dapr-api-token": "s3crét"}])
def test_routes_of_dapr_refuse_who_lacks_its_token(serve, path, headers):
    client = serve(app_api_token="s3cret")
    answer = client.post(path, json=cloud_event(turn(1)), headers={k: v.encode() for k, v in headers.items()})
    assert answer.status_code == 401
    assert client.sidecar.keys("") == []


@pytest.mark.parametrize("path", FROM_DAPR)
def test_routes_of_dapr_admit_who_has_it(serve, path):
    answer = serve(app_api_token="s3cret").post(path, json=cloud_event(turn(1)), headers={"dapr-api-token": "s3cret"})
    assert answer.status_code == 200


def test_users_need_no_token(serve):
    assert serve(app_api_token="s3cret").get("/memories/nobody").status_code == 404


def test_events_fail_as_often_as_ordered_and_are_counted(client):
    client.put("/faults", json={"fail_next": 2})
    assert [client.deliver(turn(1)).status_code for _ in range(3)] == [500, 500, 200]
    assert client.get("/faults").json() == {"fail_next": 0, "delay_ms": 0, "status": 500, "calls": 3}
    assert client.get("/faults/deliveries/m-1").json() == {"event_id": "m-1", "deliveries": 3}
    assert client.get("/faults/deliveries/other").status_code == 404


def test_events_wait_as_long_as_ordered_until_it_is_taken_back(client):
    client.put("/faults", json={"delay_ms": 150})
    started = time.perf_counter()
    client.deliver(turn(1))
    assert time.perf_counter() - started >= 0.15
    assert client.delete("/faults").status_code == 204
    assert client.get("/faults").json() == {"fail_next": 0, "delay_ms": 0, "status": 500, "calls": 1}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fail_next": -1}, "fail_next"),
        ({"delay_ms": 30_001}, "delay_ms"),
        ({"fail_next": "2"}, "fail_next"),
        ([], "body"),
    ],
)
def test_bad_faults_are_refused_by_field(client, body, field):
    answer = client.put("/faults", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_the_switches_are_not_there_unless_enabled(serve, method):
    client = serve(faults_enabled=False)
    assert client.request(method, "/faults", json={} if method == "PUT" else None).status_code == 404


def test_a_body_above_the_bound_is_413(serve):
    answer = serve(max_body_bytes=100).post("/memories/ada/initialize", json={"name": "x" * 200})
    assert answer.status_code == 413


def test_no_route_and_wrong_method_are_problems(client):
    assert client.get("/nothing").headers["content-type"] == "application/problem+json"
    assert client.put("/memories/ada").status_code == 405


def test_the_secrets_do_not_show_in_the_settings():
    from settings import Settings

    shown = repr(Settings(_env_file=None, user_hash_key="k3y", openai_api_key="k3y", app_api_token="k3y"))
    assert "k3y" not in shown


def test_an_event_in_flight_is_finished_after_sigterm(sidecar):
    ports = {"DAPR_HTTP_PORT": sidecar.http_port, "DAPR_GRPC_PORT": sidecar.grpc_port}
    with process(SERVICE, FAULTS_ENABLED="true", **ports) as (running, port), ThreadPoolExecutor(1) as pool:
        url = f"http://127.0.0.1:{port}"
        httpx2.put(f"{url}/faults", json={"delay_ms": 500}).raise_for_status()
        sent = pool.submit(httpx2.post, f"{url}/events/conversations", json=cloud_event(turn(1)))
        eventually(lambda: httpx2.get(f"{url}/faults").json()["calls"] == 1)
        running.terminate()
        assert sent.result(10).json() == {"status": "SUCCESS"}
        assert running.wait(10) in (0, -signal.SIGTERM)
    assert sidecar.value("conversation:s-1:0")["ids"] == ["m-1"]
