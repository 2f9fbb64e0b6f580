"""Every error is a problem (RFC 9457) that says what is wrong and gives nothing away."""

import socket

from conftest import process

TITLES = {404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large", 422: "Unprocessable Content"}


def problem_of(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["title"], body["status"]) == ("about:blank", TITLES[status], status)
    return body


def test_no_such_route(client):
    problem_of(client.get("/nothing"), 404)


def test_wrong_method(client):
    answer = client.post("/greet/Ada")
    problem_of(answer, 405)
    assert answer.headers["allow"] == "GET"


def test_a_body_that_is_no_json(client):
    answer = client.put("/faults", content=b'{"fail_next": ', headers={"content-type": "application/json"})
    assert problem_of(answer, 422)["errors"][0]["field"] == "body"


def test_a_huge_field_name_is_not_sent_back(client):
    answer = client.put("/faults", json={"x" * 50_000: 1, **{f"y{n}": 1 for n in range(500)}})
    problem_of(answer, 422)
    assert len(answer.content) < 5_000


def test_a_body_that_says_it_is_too_large(serve):
    client = serve(faults_enabled=True, max_body_bytes=100)
    answer = client.put("/faults", content=b" " * 101, headers={"content-type": "application/json"})
    problem_of(answer, 413)
    assert answer.headers["connection"] == "close"


def test_a_chunked_body_that_grows_too_large(serve):
    client = serve(faults_enabled=True, max_body_bytes=100)
    answer = client.put("/faults", content=iter([b" " * 60] * 2), headers={"content-type": "application/json"})
    assert "100 bytes" in problem_of(answer, 413)["detail"]


def test_a_body_as_large_as_allowed(serve):
    client = serve(faults_enabled=True, max_body_bytes=100)
    body = b'{"fail_next": 1}'.ljust(100)
    assert client.put("/faults", content=body, headers={"content-type": "application/json"}).status_code == 200


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


def test_what_nobody_foresaw_is_a_500_without_details(serve):
    client = serve()

    @client.app.get("/broken")
    async def broken():
        raise ZeroDivisionError("the secret is 42")

    answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "42" not in answer.text
    assert "Traceback" not in answer.text
