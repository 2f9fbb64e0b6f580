"""/readyz checks the sidecar and the worker, and the service starts without either."""

from conftest import ORDER


def test_healthy_and_ready(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_not_ready_while_the_sidecar_has_no_worker(client, sidecar):
    sidecar.dapr.connected_workers = lambda: 0
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "no workflow worker" in answer.json()["detail"]


def test_without_a_sidecar_the_app_starts_reports_it_and_stops(serve):
    client = serve(dapr_http_port=1, dapr_grpc_port=1, call_timeout_seconds=1)
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").status_code == 503
    for answer in (client.post("/start-order", json=ORDER), client.get("/orders/123")):
        assert answer.status_code in (503, 504)
        assert answer.json()["dependency"] in ("Dapr sidecar", "Dapr workflow engine")
