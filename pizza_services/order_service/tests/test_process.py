"""`python main.py` as Dapr and Kubernetes run it: on APP_PORT, stopped by SIGTERM, and with nothing lost by SIGKILL."""

import json
import signal
from urllib.request import Request, urlopen

from conftest import SERVICE
from story import event

from kit.fakes.waiting import process


def post(port, body):
    request = Request(f"http://127.0.0.1:{port}/events/orders", json.dumps(body).encode())
    request.add_header("content-type", "application/json")
    return json.load(urlopen(request))


def test_an_acknowledged_event_survives_a_kill_and_sigterm_ends_the_process_cleanly(sidecar):
    environment = {"DAPR_HTTP_PORT": sidecar.http_port, "DAPR_GRPC_PORT": sidecar.grpc_port}
    with process(SERVICE, **environment) as (killed, port):
        assert post(port, event(1)) == {"status": "SUCCESS"}
        killed.send_signal(signal.SIGKILL)
    with process(SERVICE, **environment) as (running, port):
        assert post(port, event(1)) == {"status": "SUCCESS"}
        timeline = json.load(urlopen(f"http://127.0.0.1:{port}/orders/123"))["timeline"]
        assert [entry["status"] for entry in timeline] == ["confirmed"]
        running.terminate()
        assert running.wait(10) in (0, -signal.SIGTERM)
