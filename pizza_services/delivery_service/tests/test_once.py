"""What a caller notices: each thing is done once, whoever asks for it, and how often."""

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

import pytest
from conftest import process
from story import ACTION, ORDER, STATUS, UNDO, UNDOINGS, done, ledger

UNDOING = next(iter(UNDOINGS))


def test_what_is_asked_for_is_done(client):
    answer = client.post(f"/{ACTION}", json=ORDER)
    assert (answer.status_code, answer.json()) == (200, done())
    assert ledger(client) == [(ACTION, "1", 1, STATUS, 1)]


def test_asked_again_it_is_the_same_one(client):
    answers = [client.post(f"/{ACTION}", json=ORDER) for _ in range(3)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, done())] * 3
    assert ledger(client) == [(ACTION, "1", 1, STATUS, 3)]


def test_another_run_of_the_order_is_another_one(client):
    client.post(f"/{ACTION}", json=ORDER)
    client.post(f"/{UNDOING}", json=UNDO)
    assert client.post(f"/{ACTION}", json={**ORDER, "run": "abc"}).json() == done(run="abc")
    assert [entry[:2] for entry in ledger(client)] == [(ACTION, "1"), (UNDOING, "1"), (ACTION, "abc")]


@pytest.mark.parametrize(("route", "status"), UNDOINGS.items())
def test_it_is_undone_once(client, route, status):
    client.post(f"/{ACTION}", json=ORDER)
    answers = [client.post(f"/{route}", json=UNDO) for _ in range(2)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, done(status))] * 2
    assert ledger(client) == [(ACTION, "1", 1, STATUS, 1), (route, "1", 1, status, 2)]


@pytest.mark.parametrize("route", UNDOINGS)
@pytest.mark.parametrize("first", [True, False])
def test_what_comes_after_it_was_undone_is_refused(client, route, first):
    if first:
        client.post(f"/{ACTION}", json=ORDER)
    assert client.post(f"/{route}", json=UNDO).status_code == 200
    before = ledger(client)
    answer = client.post(f"/{ACTION}", json=ORDER)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "ALREADY_CANCELLED"
    assert "123" in answer.json()["detail"]
    assert ledger(client) == before


def test_the_ledger_outlives_the_process_that_wrote_it(serve):
    serve().post(f"/{ACTION}", json=ORDER)
    assert serve().post(f"/{ACTION}", json=ORDER).json() == done()
    assert ledger(serve()) == [(ACTION, "1", 1, STATUS, 2)]


def test_asked_by_many_at_once_two_replicas_do_it_once(serve):
    replicas = [serve(), serve()]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: replicas[n % 2].post(f"/{ACTION}", json=ORDER), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert ledger(replicas[0]) == [(ACTION, "1", 1, STATUS, 16)]


def test_doing_and_undoing_at_once_never_leave_something_done_that_nobody_undid(serve):
    replicas = [serve(), serve()]
    for number in range(10):
        order_id = f"race-{number}"
        with ThreadPoolExecutor(2) as pool:
            doing = pool.submit(replicas[0].post, f"/{ACTION}", json={**ORDER, "order_id": order_id})
            undoing = pool.submit(replicas[1].post, f"/{UNDOING}", json={"order_id": order_id})
        assert undoing.result().status_code == 200
        steps = [entry[0] for entry in ledger(replicas[0], order_id)]
        assert steps == ([ACTION, UNDOING] if doing.result().status_code == 200 else [UNDOING])


def test_the_entry_is_there_from_the_beginning_and_the_answer_comes_when_it_is_done(serve, sidecar):
    client = serve(step_seconds=0.4)
    with ThreadPoolExecutor() as pool:
        started = time.monotonic()
        answer = pool.submit(client.post, f"/{ACTION}", json=ORDER)
        while not sidecar.saved("order:123"):
            assert time.monotonic() < started + 5
            time.sleep(0.005)
        assert not answer.done()
        assert answer.result().json() == done()
        assert time.monotonic() - started >= 0.4


def test_who_asks_again_meanwhile_waits_for_the_rest_only(serve, sidecar):
    replicas = [serve(step_seconds=0.5), serve(step_seconds=0.5)]
    with ThreadPoolExecutor() as pool:
        started = time.monotonic()
        first = pool.submit(replicas[0].post, f"/{ACTION}", json=ORDER)
        while not sidecar.saved("order:123"):
            time.sleep(0.005)
        time.sleep(0.25)
        assert replicas[1].post(f"/{ACTION}", json=ORDER).json() == first.result().json()
        assert time.monotonic() - started < 0.75
    assert ledger(replicas[0]) == [(ACTION, "1", 1, STATUS, 2)]


def test_what_is_undone_while_it_is_being_done_is_refused(serve, sidecar):
    client = serve(step_seconds=0.5)
    with ThreadPoolExecutor() as pool:
        doing = pool.submit(client.post, f"/{ACTION}", json=ORDER)
        while not sidecar.saved("order:123"):
            time.sleep(0.005)
        assert client.post(f"/{UNDOING}", json=UNDO).status_code == 200
        assert doing.result().json()["code"] == "ALREADY_CANCELLED"
    assert [entry[0] for entry in ledger(client)] == [ACTION, UNDOING]


def test_a_process_that_dies_in_between_leaves_a_step_that_the_next_one_completes(sidecar):
    environment = {"DAPR_HTTP_PORT": sidecar.http_port, "DAPR_GRPC_PORT": sidecar.grpc_port, "STEP_SECONDS": 1}

    def post(port):
        body = json.dumps(ORDER).encode()
        url = f"http://127.0.0.1:{port}/{ACTION}"
        return json.load(urlopen(Request(url, body, {"content-type": "application/json"})))

    with process("main.py", **environment) as (dying, port), ThreadPoolExecutor() as pool:
        lost = pool.submit(post, port)
        while not sidecar.saved("order:123"):
            time.sleep(0.005)
        dying.send_signal(signal.SIGKILL)
        assert lost.exception(5) is not None
    with process("main.py", **environment) as (_, port):
        assert post(port) == done()
        entries = json.load(urlopen(f"http://127.0.0.1:{port}/ledger/123"))["entries"]
    assert [(entry["step"], entry["times_asked"]) for entry in entries] == [(ACTION, 2)]


def test_a_request_in_flight_is_answered_after_sigterm(sidecar):
    environment = {"DAPR_HTTP_PORT": sidecar.http_port, "DAPR_GRPC_PORT": sidecar.grpc_port, "STEP_SECONDS": 0.7}
    with process("main.py", **environment) as (running, port), ThreadPoolExecutor() as pool:
        body = json.dumps(ORDER).encode()
        request = Request(f"http://127.0.0.1:{port}/{ACTION}", body, {"content-type": "application/json"})
        answer = pool.submit(lambda: urlopen(request).read())
        while not sidecar.saved("order:123"):
            time.sleep(0.005)
        running.terminate()
        assert json.loads(answer.result(10)) == done()
        assert running.wait(10) in (0, -signal.SIGTERM)


def test_a_step_that_is_only_waited_for_holds_up_no_other(serve, sidecar):
    client = serve(step_seconds=0.3)
    started = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        orders = [{**ORDER, "order_id": f"n{number}"} for number in range(20)]
        answers = list(pool.map(lambda order: client.post(f"/{ACTION}", json=order), orders))
    assert {answer.status_code for answer in answers} == {200}
    assert time.monotonic() - started < 3
    assert threading.active_count() < 100
