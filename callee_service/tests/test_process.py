"""`python main.py` as Dapr and Kubernetes run it: on APP_PORT, and stopped by SIGTERM."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

from conftest import process


def test_a_request_in_flight_is_answered_after_sigterm():
    with process("main.py", FAULTS_ENABLED="true") as (running, port), ThreadPoolExecutor() as pool:
        base = f"http://127.0.0.1:{port}"
        order = json.dumps({"delay_ms": 700}).encode()
        urlopen(Request(f"{base}/faults", order, {"content-type": "application/json"}, method="PUT")).read()
        answer = pool.submit(lambda: urlopen(f"{base}/greet/Ada").read())
        while json.load(urlopen(f"{base}/faults"))["calls"] == 0:
            time.sleep(0.01)
        running.terminate()
        assert json.loads(answer.result(10)) == {"message": "Hello, Ada from callee-app!"}
        assert running.wait(10) in (0, -signal.SIGTERM)
