"""/healthz reports the process, /readyz its sidecar too."""

from contextlib import asynccontextmanager

from fastapi.testclient import TestClient

from kit.edge.service import build
from kit.edge.settings import ServiceSettings
from kit.fakes.waiting import free_port
from kit.sidecar.unavailable import Unavailable


def test_healthy_without_a_sidecar(serve):
    answer = serve(dapr_http_port=free_port()).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_when_the_sidecar_can_carry_calls_out(serve, sidecar):
    client = serve(**sidecar.ports)
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (200, {"status": "ready"})
    sidecar.ready = False
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["dependency"]) == (503, "Dapr sidecar")
    assert f"Dapr sidecar at 127.0.0.1:{sidecar.http_port} is not ready" in answer.json()["detail"]


def test_not_ready_without_a_sidecar(serve):
    port = free_port()
    answer = serve(dapr_http_port=port).get("/readyz")
    assert answer.status_code == 503
    assert f"Dapr sidecar at 127.0.0.1:{port} cannot be reached" in answer.json()["detail"]


def test_not_ready_while_something_of_the_service_is_missing(serve, sidecar):
    async def no_worker(_request):
        raise Unavailable(503, "workflow worker", "No workflow worker is connected.")

    client = serve(**sidecar.ports)
    client.app.state.ready = no_worker
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["dependency"]) == (503, "workflow worker")


def test_settings_come_from_the_environment_and_an_empty_variable_is_unset(monkeypatch):
    monkeypatch.setenv("APP_PORT", "8123")
    monkeypatch.setenv("DAPR_API_TOKEN", "")
    monkeypatch.setenv("LOG_LEVEL", "debug")  # as another project may have left it
    settings = ServiceSettings(_env_file=None)
    assert settings.log_level == "DEBUG"
    assert (settings.app_port, settings.dapr_api_token) == (8123, None)
    assert (settings.dapr_http_port, settings.dapr_grpc_port) == (3500, 50001)


def test_the_lifespan_finds_the_session_with_the_token_of_the_sidecar(monkeypatch):
    seen = {}

    @asynccontextmanager
    async def lifespan(app):
        seen.update(app.state.session.headers)
        yield {}

    settings = ServiceSettings(_env_file=None, dapr_api_token="s3cret")
    with TestClient(build(settings, title="x", description="x", welcome="x", routers=[], lifespan=lifespan)):
        assert seen == {"dapr-api-token": "s3cret"}
