"""/healthz tells of the process, /readyz of its sidecar too."""

import pytest
from conftest import free_port, stand_in_sidecar


def test_healthy_without_a_sidecar(serve):
    answer = serve(dapr_http_port=free_port()).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_when_the_sidecar_can_carry_calls_out(serve):
    with stand_in_sidecar(204) as (port, asked):
        answer = serve(dapr_http_port=port).get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert asked == ["/v1.0/healthz/outbound"]


@pytest.mark.parametrize("sidecar_status", [404, 500, 503])
def test_not_ready_when_the_sidecar_says_no(serve, sidecar_status):
    with stand_in_sidecar(sidecar_status) as (port, _):
        answer = serve(dapr_http_port=port).get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert f"Dapr sidecar at 127.0.0.1:{port} is not ready" in answer.json()["detail"]


def test_not_ready_without_a_sidecar(serve):
    port = free_port()
    answer = serve(dapr_http_port=port).get("/readyz")
    assert answer.status_code == 503
    assert f"Dapr sidecar at 127.0.0.1:{port} cannot be reached" in answer.json()["detail"]
