"""The process is healthy, and ready when its sidecar is; anyone may call it."""


def test_healthy_and_ready(client, sidecar):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert [path for path, _ in sidecar.arrived] == ["/v1.0/healthz/outbound"]


def test_the_welcome_names_the_main_routes(client):
    message = client.get("/").json()["message"]
    assert all(route in message for route in ("/call-greet/{name}", "/docs", "/healthz", "/readyz"))
    assert client.get("/docs").status_code == 200


def test_no_caller_needs_the_app_token(serve, monkeypatch):
    monkeypatch.setenv("APP_API_TOKEN", "s3cret")
    assert serve().get("/").status_code == 200
