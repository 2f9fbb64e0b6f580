"""/healthz tells of the process; /readyz of its sidecar and its worker, without which no workflow runs."""

import gc
import threading

import pytest
from conftest import ORDER, eventually
from fastapi.testclient import TestClient

from main import create_app
from settings import Settings


def test_healthy_and_ready(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_not_ready_while_the_sidecar_is_not(client, sidecar):
    sidecar.peers.ready = False
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "is not ready" in answer.json()["detail"]


def test_not_ready_while_the_sidecar_has_no_worker(client, sidecar):
    sidecar.peers.worker = False
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "no workflow worker" in answer.json()["detail"]


def test_without_a_sidecar_the_app_starts_says_what_is_missing_and_stops(serve):
    client = serve(dapr_http_port=1, dapr_grpc_port=1, call_timeout_seconds=1)
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").status_code == 503
    answer = client.post("/start-order", json=ORDER)
    assert (answer.status_code, answer.json()["dependency"]) == (503, "Dapr sidecar")
    answer = client.get("/orders/123")
    assert answer.status_code in (503, 504)
    assert answer.json()["dependency"] == "Dapr workflow engine"


def test_a_stop_in_the_first_moments_is_heeded(sidecar):
    before = workers()
    ports = {"dapr_http_port": sidecar.peers.port, "dapr_grpc_port": sidecar.grpc_port}
    for _ in range(3):
        with TestClient(create_app(Settings(_env_file=None, **ports))):
            pass
    # A worker that ignored it would take work for ever, and keep the process from ending. Of one that heeds it the SDK
    # now and then leaves the channel to the garbage collector.
    assert workers() <= before
    eventually(lambda: gc.collect() >= 0 and sidecar.engine.connected() <= len(before))


def workers():
    """The SDK's threads that take work from a sidecar."""
    return {thread for thread in threading.enumerate() if thread.name == "WorkerRunLoop"}


def test_without_its_store_nothing_is_started(client, sidecar):
    sidecar.dapr.fail_store = True
    answer = client.post("/start-order", json=ORDER)
    assert (answer.status_code, answer.json()["dependency"]) == (503, "pizzastatestore")
    assert "redis" not in answer.text


def test_the_sidecar_is_shown_the_api_token(serve, sidecar):
    client = serve(dapr_api_token="s3cret")
    assert client.post("/start-order", json=ORDER).status_code == 202
    assert sidecar.dapr.tokens == {"s3cret"}


def test_the_welcome_names_the_main_routes(client):
    message = client.get("/").json()["message"]
    assert all(route in message for route in ("/start-order", "/orders/{order_id}", "/docs", "/healthz", "/readyz"))
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize("path", ["/faults", "/nothing"])
def test_what_is_not_there_is_a_problem_too(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
