"""/healthz tells of the process, /readyz of its sidecar too."""


def test_healthy_and_ready(client, sidecar):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert [path for path, _ in sidecar.arrived] == ["/v1.0/healthz/outbound"]


def test_not_ready_while_the_sidecar_is_not(client, sidecar):
    sidecar.ready = False
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert f"Dapr sidecar at 127.0.0.1:{sidecar.http_port} is not ready" in answer.json()["detail"]


def test_the_welcome_names_the_main_routes(client):
    message = client.get("/").json()["message"]
    assert all(route in message for route in ("/call-greet/{name}", "/docs", "/healthz", "/readyz"))
    assert client.get("/docs").status_code == 200


def test_the_public_edge_asks_nobody_for_a_token(serve, monkeypatch):
    monkeypatch.setenv("APP_API_TOKEN", "s3cret")
    assert serve().get("/").status_code == 200
