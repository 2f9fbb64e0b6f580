"""The routes of callee answer with the limits and errors of the kit, also as a process."""

import socket

from conftest import process


def test_wrong_method(client):
    answer = client.post("/greet/Ada")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"] == "GET"


def test_nobody_but_the_sidecar_may_call_when_there_is_a_token(serve):
    guarded = serve(app_api_token="s3cret")
    assert guarded.get("/greet/Ada").status_code == 401
    assert guarded.get("/greet/Ada", headers={"dapr-api-token": "s3cret"}).status_code == 200
    assert guarded.get("/healthz").status_code == 200


def test_a_body_that_never_ends_is_not_waited_for():
    head = "PUT /faults HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"
    with (
        process("main.py", FAULTS_ENABLED="true", MAX_BODY_SECONDS=0.2) as (_, port),
        socket.create_connection(("127.0.0.1", port), timeout=5) as slow,
    ):
        slow.sendall(head.encode())
        answer = b"".join(iter(lambda: slow.recv(65536), b"")).decode()
    assert answer.startswith("HTTP/1.1 408 ")
    assert "application/problem+json" in answer
    assert "0.2 s" in answer
