"""GET /runs/stream, over a real connection."""

import json
import signal
import socket
from contextlib import contextmanager
from urllib.request import Request, urlopen

import pytest
from conftest import problem_of, process

from kit.fakes.waiting import eventually


@pytest.fixture
def port(sidecar):
    with process(sidecar, STREAM_POLL_SECONDS=0.05) as (_, port):
        yield port


@contextmanager
def stream(port, **headers):
    with urlopen(Request(f"http://127.0.0.1:{port}/runs/stream", headers=headers), timeout=5) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.readline() == b"retry: 1000\n"
        yield answer


def fire(port, number):
    body = Request(f"http://127.0.0.1:{port}/job/j", json.dumps(number).encode(), {"content-type": "application/json"})
    urlopen(body, timeout=5).read()


def events(answer, count):
    """Return the next events, as (id, data)."""
    found, fields = [], {}
    while len(found) < count:
        name, _, value = answer.readline().decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "data" in fields:
            run = json.loads(fields["data"])
            assert fields["event"] == "run"
            assert set(run) == {"job_name", "fired_at", "lateness_ms", "data", "attempt", "outcome"}
            found.append((int(fields["id"]), run["data"]))
            fields = {}
        else:
            fields = {}
    return found


def test_new_runs_of_all_replicas_come_as_they_happen(port, sidecar):
    fire(port, "before")
    with process(sidecar) as (_, other), stream(port) as answer:
        # Once it has read the end of the list twice, it knows where it begins.
        eventually(lambda: sidecar.calls.count(("GetState", "runs")) >= 2)
        for number, at in enumerate((port, other, port)):
            fire(at, number)
        assert events(answer, 3) == [(1, 0), (2, 1), (3, 2)]


def test_after_a_break_it_goes_on_where_it_was(port):
    for number in range(60):
        fire(port, number)
    with stream(port, **{"last-event-id": "48"}) as answer:
        assert events(answer, 11) == [(number, number) for number in range(49, 60)]


def test_a_store_that_is_down_is_told_and_outlasted(port, sidecar):
    fire(port, "first")
    with stream(port, **{"last-event-id": "0"}) as answer:
        sidecar.is_down = True
        while answer.readline() != b": statestore cannot be used now.\n":
            pass
        sidecar.is_down = False
        fire(port, "second")
        assert events(answer, 1) == [(1, "second")]


def test_there_is_a_limit_to_streams_and_one_that_was_left_is_free_again(sidecar):
    with process(sidecar, MAX_STREAMS=1, STREAM_POLL_SECONDS=0.05) as (_, port):

        def status() -> str:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET /runs/stream HTTP/1.1\r\nhost: localhost\r\n\r\n")
                return connection.recv(12).decode()

        with stream(port):
            assert status() == "HTTP/1.1 503"
        eventually(lambda: status() == "HTTP/1.1 200", 5)


def test_an_open_stream_does_not_hold_up_the_end(sidecar):
    # Far more than the test waits for the end: what holds it up is not hidden by uvicorn's grace.
    with process(sidecar, SHUTDOWN_GRACE_SECONDS=600) as (running, port), stream(port) as answer:
        running.send_signal(signal.SIGTERM)
        answer.read()
        assert running.wait(60) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("last_id", ["x", "-1"])
def test_a_bad_last_event_id_is_named(client, last_id):
    body = problem_of(client.get("/runs/stream", headers={"last-event-id": last_id}), 422)
    assert body["errors"][0]["field"] == "last-event-id"
