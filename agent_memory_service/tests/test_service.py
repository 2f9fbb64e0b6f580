"""Health, the sidecar's token, faults on purpose, bounds, and the process itself."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest
from conftest import SERVICE, cloud_event, turn, wait_until

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
    assert client.sidecar.state == {}


@pytest.mark.parametrize("path", FROM_DAPR)
def test_routes_of_dapr_admit_who_has_it(serve, path):
    answer = serve(app_api_token="s3cret").post(path, json=cloud_event(turn(1)), headers={"dapr-api-token": "s3cret"})
    assert answer.status_code == 200


def test_users_need_no_token(serve):
    assert serve(app_api_token="s3cret").get("/memories/nobody").status_code == 404


def test_events_fail_as_often_as_ordered_and_are_counted(client):
    client.put("/faults", json={"fail_next": 2})
    assert [client.deliver(turn(1)).status_code for _ in range(3)] == [503, 503, 200]
    assert client.get("/faults").json() == {"fail_next": 0, "delay_ms": 0, "calls": 3}
    assert client.get("/faults/deliveries/m-1").json() == {"event_id": "m-1", "deliveries": 3}
    assert client.get("/faults/deliveries/other").status_code == 404


def test_events_wait_as_long_as_ordered_until_it_is_taken_back(client):
    client.put("/faults", json={"delay_ms": 150})
    started = time.perf_counter()
    client.deliver(turn(1))
    assert time.perf_counter() - started >= 0.15
    assert client.delete("/faults").status_code == 204
    assert client.get("/faults").json() == {"fail_next": 0, "delay_ms": 0, "calls": 1}


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


def test_an_event_in_hand_is_finished_after_sigterm(sidecar):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ports = {"APP_PORT": port, "DAPR_HTTP_PORT": sidecar.http_port, "DAPR_GRPC_PORT": sidecar.grpc_port}
    environment = {**os.environ, "FAULTS_ENABLED": "true", **{name: str(value) for name, value in ports.items()}}
    process = subprocess.Popen([sys.executable, "main.py"], cwd=SERVICE, env=environment, stdout=subprocess.PIPE)
    try:
        wait_until(lambda: process.poll() is not None or _answers(port), 20)
        url = f"http://127.0.0.1:{port}"
        _send(f"{url}/faults", {"delay_ms": 500}, "PUT")
        sending = subprocess.Popen(
            [sys.executable, "-c", _DELIVER, f"{url}/events/conversations", json.dumps(cloud_event(turn(1)))],
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: json.load(urlopen(f"{url}/faults"))["calls"] == 1)
        process.terminate()
        assert json.loads(sending.communicate(timeout=10)[0]) == {"status": "SUCCESS"}
        assert process.wait(10) in (0, -signal.SIGTERM)
        assert sidecar.value("conversation:s-1:0")["ids"] == ["m-1"]
    finally:
        process.kill()
        process.communicate()


_DELIVER = (
    "import sys, urllib.request as u; "
    "request = u.Request(sys.argv[1], sys.argv[2].encode(), {'content-type': 'application/json'}); "
    "print(u.urlopen(request).read().decode())"
)


def _send(url, body, method):
    from urllib.request import Request

    urlopen(Request(url, json.dumps(body).encode(), {"content-type": "application/json"}, method=method)).read()


def _answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
