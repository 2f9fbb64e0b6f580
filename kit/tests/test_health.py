"""/healthz reports the process, /readyz its sidecar too."""

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kit.edge.service import build
from kit.edge.settings import ServiceSettings
from kit.sidecar.unavailable import Unavailable


@contextmanager
def sidecar_that_answers(status):
    """Serve every GET with `status`; yield the port and the requested paths."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server.server_port, asked
        server.shutdown()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_healthy_without_a_sidecar(serve):
    answer = serve(dapr_http_port=free_port()).get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_when_the_sidecar_can_carry_calls_out(serve):
    with sidecar_that_answers(204) as (port, asked):
        answer = serve(dapr_http_port=port).get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert asked == ["/v1.0/healthz/outbound"]


@pytest.mark.parametrize("status", [404, 500, 503])
def test_not_ready_when_the_sidecar_says_no(serve, status):
    with sidecar_that_answers(status) as (port, _):
        answer = serve(dapr_http_port=port).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["dependency"] == "Dapr sidecar"
    assert f"Dapr sidecar at 127.0.0.1:{port} is not ready" in answer.json()["detail"]


def test_not_ready_without_a_sidecar(serve):
    port = free_port()
    answer = serve(dapr_http_port=port).get("/readyz")
    assert answer.status_code == 503
    assert f"Dapr sidecar at 127.0.0.1:{port} cannot be reached" in answer.json()["detail"]


def test_not_ready_while_something_of_the_service_is_missing(serve):
    async def no_worker(_request):
        raise Unavailable(503, "workflow worker", "No workflow worker is connected.")

    with sidecar_that_answers(204) as (port, _):
        client = serve(dapr_http_port=port)
        client.app.state.ready = no_worker
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["dependency"]) == (503, "workflow worker")


def test_the_welcome_and_the_docs_are_served(client):
    assert client.get("/").json() == {"message": "GET /greet/{name}"}
    assert client.get("/docs").status_code == 200


def test_every_error_in_the_contract_is_a_problem(client):
    for path in client.app.openapi()["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status in ("404", "409", "413", "503"):
                    assert list(response["content"]) == ["application/problem+json"]


def test_settings_come_from_the_environment_and_an_empty_variable_is_unset(monkeypatch):
    monkeypatch.setenv("APP_PORT", "8123")
    monkeypatch.setenv("DAPR_API_TOKEN", "")
    settings = ServiceSettings(_env_file=None)
    assert (settings.app_port, settings.dapr_api_token) == (8123, None)
    assert (settings.dapr_http_port, settings.dapr_grpc_port) == (3500, 50001)


def test_settings_may_come_from_a_dotenv_file(tmp_path):
    (tmp_path / ".env").write_text("DAPR_HTTP_PORT=3999\n")
    assert ServiceSettings(_env_file=tmp_path / ".env").dapr_http_port == 3999


@pytest.mark.parametrize(
    ("name", "value"), [("dapr_http_port", 0), ("app_port", "x"), ("log_level", "LOUD"), ("max_body_seconds", 0)]
)
def test_a_setting_that_cannot_work_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        ServiceSettings(_env_file=None, **{name: value})


def test_the_lifespan_finds_the_session_with_the_token_of_the_sidecar(monkeypatch):
    from contextlib import asynccontextmanager

    from fastapi.testclient import TestClient

    seen = {}

    @asynccontextmanager
    async def lifespan(app):
        seen.update(app.state.session.headers)
        yield {}

    settings = ServiceSettings(_env_file=None, dapr_api_token="s3cret")
    with TestClient(build(settings, title="x", description="x", welcome="x", routers=[], lifespan=lifespan)):
        assert seen == {"dapr-api-token": "s3cret"}
