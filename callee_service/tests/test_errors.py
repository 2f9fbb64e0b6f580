"""Access to callee, and the end of its process."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

from conftest import SERVICE

from kit.fakes.waiting import eventually, process


def test_nobody_but_the_sidecar_may_call_when_there_is_a_token(serve):
    guarded = serve(app_api_token="s3cret")
    assert guarded.get("/greet/Ada").status_code == 401
    assert guarded.get("/greet/Ada", headers={"dapr-api-token": "s3cret"}).status_code == 200
    assert guarded.get("/healthz").status_code == 200


def test_a_request_in_flight_is_answered_after_sigterm():
    with process(SERVICE, FAULTS_ENABLED="true") as (running, port), ThreadPoolExecutor() as pool:
        base = f"http://127.0.0.1:{port}"
        order = json.dumps({"delay_ms": 700}).encode()
        urlopen(Request(f"{base}/faults", order, {"content-type": "application/json"}, method="PUT")).read()
        answer = pool.submit(lambda: urlopen(f"{base}/greet/Ada").read())
        eventually(lambda: json.load(urlopen(f"{base}/faults"))["calls"])
        running.terminate()
        assert "Ada" in json.loads(answer.result(10))["message"]
        assert running.wait(10) in (0, -signal.SIGTERM)
