"""callee as a process and at its edge: who may call, a body that never ends, and SIGTERM."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

from conftest import SERVICE

from kit.fakes.waiting import eventually, process


def test_nobody_but_the_sidecar_may_call_when_there_is_a_token(serve):
    guarded = serve(app_api_token="s3cret")
    assert guarded.get("/greet/Ada").status_code == 401
    assert guarded.get("/greet/Ada", headers={"dapr-api-token": "s3cret"}).status_code == 200
    assert guarded.get("/healthz").status_code == 200


def test_a_body_that_never_ends_is_not_waited_for():
    head = "PUT /faults HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"
    with (
        process(SERVICE, FAULTS_ENABLED="true", MAX_BODY_SECONDS=0.2) as (_, port),
        socket.create_connection(("127.0.0.1", port), timeout=5) as slow,
    ):
        slow.sendall(head.encode())
        answer = b"".join(iter(lambda: slow.recv(65536), b"")).decode()
    assert answer.startswith("HTTP/1.1 408 ")
    assert "application/problem+json" in answer
    assert "0.2 s" in answer


def test_a_request_in_flight_is_answered_after_sigterm():
    with process(SERVICE, FAULTS_ENABLED="true") as (running, port), ThreadPoolExecutor() as pool:
        base = f"http://127.0.0.1:{port}"
        order = json.dumps({"delay_ms": 700}).encode()
        urlopen(Request(f"{base}/faults", order, {"content-type": "application/json"}, method="PUT")).read()
        answer = pool.submit(lambda: urlopen(f"{base}/greet/Ada").read())
        eventually(lambda: json.load(urlopen(f"{base}/faults"))["calls"])
        running.terminate()
        assert json.loads(answer.result(10)) == {"message": "Hello, Ada from callee-app!"}
        assert running.wait(10) in (0, -signal.SIGTERM)
