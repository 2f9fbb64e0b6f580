"""/healthz tells of the process, /readyz of its sidecar too; and who may call."""

import time

import pytest
from conftest import free_port
from story import ACTION, ORDER, UNDOINGS


def test_healthy_and_ready(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    # The worker connects in the background.
    deadline = time.monotonic() + 10
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert client.get("/readyz").json() == {"status": "ready"}


def test_not_ready_while_the_sidecar_is_not(client, sidecar):
    sidecar.ready = False
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert f"Dapr sidecar at 127.0.0.1:{sidecar.http_port} is not ready" in answer.json()["detail"]


def test_not_ready_without_a_sidecar(serve):
    port = free_port()
    assert f"127.0.0.1:{port} cannot be reached" in serve(dapr_http_port=port).get("/readyz").json()["detail"]


def test_the_welcome_names_the_main_routes(client):
    message = client.get("/").json()["message"]
    routes = [ACTION, *UNDOINGS, "ledger", "docs", "healthz", "readyz"]
    assert [route for route in routes if f"/{route}" not in message] == []
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize("headers", [{}, {"dapr-api-token": "wrong"}, {"dapr-api-token": ""}])
def test_with_an_app_token_only_who_has_it_may_call(serve, sidecar, headers):
    guarded = serve(app_api_token="s3cret")
    answer = guarded.post(f"/{ACTION}", json=ORDER, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert sidecar.calls == []
    assert guarded.post(f"/{ACTION}", json=ORDER, headers={"dapr-api-token": "s3cret"}).status_code == 200
    assert guarded.get("/readyz").status_code == 200
