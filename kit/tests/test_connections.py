"""A real uvicorn with the kit's connections: an answer always arrives, and no client takes all there is."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import uvicorn

from kit.edge import connections
from kit.edge.connections import Connection
from kit.fakes.waiting import eventually

KIT = Path(connections.__file__).parents[1]
CHUNK = b"400\r\n" + b" " * 1024 + b"\r\n"
WELCOME = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def port(make_app, monkeypatch) -> Iterator[int]:
    """Serve the small service of the tests as `serve` does; yield its port."""
    app = make_app(faults_enabled=True)
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 20)
    monkeypatch.setattr(connections, "HEADER_SECONDS", 1)
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=Connection, timeout_keep_alive=2, log_config=None))
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),))
    thread.start()
    eventually(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


@contextmanager
def crowd(port: int) -> Iterator[None]:
    """Open three times as many connections as there may be, and send nothing."""
    with ExitStack() as opened:
        for _ in range(60):
            opened.enter_context(connected(port))
        yield


def answer_to(port: int, *parts: bytes) -> bytes:
    """Send the parts and return the answer until the server closes."""
    with connected(port) as client:
        for part in parts:
            client.sendall(part)
        return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.mark.parametrize(("soft", "hard", "most"), [(256, 16_384, 3_972), (256, 1_024, 900), (8_192, 8_192, 3_972)])
def test_a_service_raises_its_own_limit_of_connections(soft, hard, most):
    limits = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))"
    shown = "print(connections.MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    program = f"{limits}; from kit.edge import connections; {shown}"
    found = subprocess.run([sys.executable, "-c", program], cwd=KIT.parent, capture_output=True, check=True, text=True)
    assert found.stdout.split() == [str(most), str(max(soft, most + connections.OWN_DESCRIPTORS))]


def test_a_chunked_body_that_is_too_large_always_gets_its_answer(port):
    head = b"PUT /faults HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for _ in range(50):
        answer = answer_to(port, head, b"Transfer-Encoding: chunked\r\n\r\n", *[CHUNK] * 70, b"0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")
        announced = answer_to(port, head, b"Content-Length: 700000\r\n\r\n", b" " * 700_000)
        assert announced.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * 400_000, b"431"),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 80_000, b"431"),
        (b"GET /" + b"y" * 400_000, b"431"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"PUT /faults HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", b"400"),
    ],
)
def test_a_request_that_cannot_be_read_is_a_problem(port, request_, status):
    head, body = answer_to(port, request_).split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"content-type: application/problem+json" in head
    assert body.startswith(b"{")


def test_a_long_body_after_an_early_answer_is_no_header(port):
    parts = [b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"]
    parts += [b"Transfer-Encoding: chunked\r\n\r\n", *[CHUNK] * 500, b"0\r\n\r\n"]
    answers = answer_to(port, *parts, WELCOME)
    assert answers.count(b"HTTP/1.1 404 ") == answers.count(b"HTTP/1.1 200 ") == 1


def test_half_a_request_is_closed_in_time(port):
    assert answer_to(port, b"GET / HTTP/1.1\r\nHost: ") == b""
    assert answer_to(port) == b""


def test_a_blank_line_after_an_answer_keeps_no_connection_open(port):
    assert answer_to(port, WELCOME.replace(b"Connection: close\r\n", b""), b"\r\n").count(b"HTTP/1.1 200") == 1


def test_a_connection_may_be_older_than_the_time_for_headers(port, monkeypatch):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.01)
    with connected(port) as early:
        assert answer_to(port, WELCOME).startswith(b"HTTP/1.1 200")
        time.sleep(0.1)
        early.sendall(WELCOME)
        assert early.recv(100).startswith(b"HTTP/1.1 200")


def test_one_that_opens_many_connections_keeps_nobody_out(port):
    with connected(port) as first, crowd(port):
        assert answer_to(port, WELCOME).startswith(b"HTTP/1.1 200")
        with suppress(ConnectionResetError):
            assert first.recv(1) == b""


def test_a_request_in_flight_is_not_closed_for_others(port):
    body = b'{"delay_ms": 1}'
    head = b"PUT /faults HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with connected(port) as first:
        first.sendall(head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        # From here on the server has the headers, and waits for the body.
        assert first.recv(100).startswith(b"HTTP/1.1 100")
        with crowd(port):
            assert answer_to(port, WELCOME).startswith(b"HTTP/1.1 200")
            first.sendall(body)
            assert first.recv(100).startswith(b"HTTP/1.1 200")
