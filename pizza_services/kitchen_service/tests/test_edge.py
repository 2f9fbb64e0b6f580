"""The edge of the service: bad orders, faults on purpose, the token, the contract, and a process that stops cleanly."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

import pytest
from conftest import SERVICE
from story import ORDER, ledger, order_done

from kit.fakes.waiting import eventually, process
from main import create_app
from settings import Settings

ACTION, COMPENSATIONS = "cook", ["discard"]
BAD = [
    *[({"pizza_type": bad}, "pizza_type") for bad in ("", "a" * 51, "a\x00b", "a\nb", 1, None, {})],
    *[({"size": bad}, "size") for bad in ("huge", "", "LARGE", None, 1)],
    *[({"customer": bad}, "customer") for bad in (None, "Ada", [], 1)],
    *[({"customer": {**ORDER["customer"], "name": bad}}, "customer.name") for bad in ("", "a" * 101, "a\x1bb", None)],
    *[({"customer": {**ORDER["customer"], "address": bad}}, "customer.address") for bad in ("", "a" * 201, 5)],
    *[({"customer": {**ORDER["customer"], "phone": bad}}, "customer.phone") for bad in ("", "12", "1" * 31, "call me")],
    *[({"order_id": bad}, "order_id") for bad in ("", "a||b", 7)],
]


def fields(answer):
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    return [error["field"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(("bad", "field"), BAD)
def test_a_bad_order_is_refused_by_field_and_nothing_is_done(client, sidecar, bad, field):
    assert fields(client.post(f"/{ACTION}", json={**ORDER, **bad})) == [field]
    assert sidecar.calls == []


@pytest.mark.parametrize("field", ORDER)
def test_a_missing_field_is_named(client, field):
    assert fields(client.post(f"/{ACTION}", json={name: one for name, one in ORDER.items() if name != field})) == [
        field
    ]


@pytest.mark.parametrize("route", COMPENSATIONS)
def test_a_bad_compensation_is_refused_by_field(client, sidecar, route):
    assert fields(client.post(f"/{route}", json={"order_id": "a||b"})) == ["order_id"]
    assert sidecar.calls == []


@pytest.mark.parametrize("name", ["漢字 ✓", "Jürgen O'Neil; DROP TABLE", "<b>", "x" * 100, "✓" * 100])
def test_a_name_may_be_any_text_and_no_data_of_the_customer_is_kept(client, sidecar, caplog, name):
    order = {**ORDER, "customer": {**ORDER["customer"], "name": name}}
    assert client.post(f"/{ACTION}", json=order).json()["customer"]["name"] == name
    for kept in (sidecar.everything(), caplog.text):
        assert [one for one in order["customer"].values() if one in kept] == []


def test_faults_strike_every_action_and_nothing_else(client, sidecar):
    client.put("/faults", json={"fail_next": 9, "status": 503})
    routes = [ACTION, *COMPENSATIONS]
    answers = [client.post(f"/{route}", json=ORDER) for route in routes]
    assert [answer.status_code for answer in answers] == [503] * len(routes)
    assert answers[1].json()["detail"] == "Simulated temporary error from pizza-kitchen (attempt 2)"
    assert sidecar.calls == []
    assert client.get("/ledger").status_code == 200
    assert client.get("/faults").json()["calls"] == len(routes)
    client.delete("/faults")
    assert client.post(f"/{ACTION}", json=ORDER).status_code == 200
    assert [entry[4] for entry in ledger(client)] == [1]


@pytest.mark.parametrize("headers", [{}, {"dapr-api-token": "wrong"}, {"dapr-api-token": ""}])
def test_with_an_app_token_only_the_sidecar_may_call(serve, sidecar, headers):
    guarded = serve(app_api_token="s3cret")
    assert guarded.post(f"/{ACTION}", json=ORDER, headers=headers).status_code == 401
    assert guarded.get("/ledger", headers=headers).status_code == 401
    assert sidecar.calls == []
    assert guarded.post(f"/{ACTION}", json=ORDER, headers={"dapr-api-token": "s3cret"}).status_code == 200
    assert guarded.get("/healthz").status_code == 200


def test_a_store_that_is_too_slow_is_named(serve, sidecar):
    client = serve(store_timeout_seconds=0.3, ledger_store="another")
    sidecar.released.clear()
    answer = client.post(f"/{ACTION}", json=ORDER)
    sidecar.released.set()
    assert (answer.status_code, answer.json()["dependency"]) == (504, "another")


def test_openapi_json_equals_the_code():
    contract = json.loads((SERVICE / "openapi.json").read_text())
    assert create_app(Settings(_env_file=None)).openapi() == contract, "the README says how to regenerate it"


def test_the_welcome_names_the_main_routes(client):
    message = client.get("/").json()["message"]
    routes = [ACTION, *COMPENSATIONS, "ledger", "docs", "healthz", "readyz"]
    assert [route for route in routes if f"/{route}" not in message] == []
    assert client.get("/docs").status_code == 200


def post(port, path, body):
    request = Request(f"http://127.0.0.1:{port}/{path}", json.dumps(body).encode())
    request.add_header("content-type", "application/json")
    return json.load(urlopen(request))


def test_a_request_in_flight_is_answered_after_sigterm(sidecar):
    environment = {"DAPR_HTTP_PORT": sidecar.http_port, "DAPR_GRPC_PORT": sidecar.grpc_port, "STEP_SECONDS": 0.7}
    with process(SERVICE, **environment) as (running, port), ThreadPoolExecutor() as pool:
        answer = pool.submit(post, port, ACTION, ORDER)
        eventually(lambda: sidecar.value("order:123"))
        running.terminate()
        assert answer.result(10) == order_done("cooked")
        assert running.wait(10) in (0, -signal.SIGTERM)


def test_a_process_that_is_killed_leaves_a_step_that_the_next_one_completes(sidecar):
    environment = {"DAPR_HTTP_PORT": sidecar.http_port, "DAPR_GRPC_PORT": sidecar.grpc_port, "STEP_SECONDS": 1}
    with process(SERVICE, **environment) as (dying, port), ThreadPoolExecutor() as pool:
        lost = pool.submit(post, port, ACTION, ORDER)
        eventually(lambda: sidecar.value("order:123"))
        dying.send_signal(signal.SIGKILL)
        assert lost.exception(5) is not None
    with process(SERVICE, **environment) as (_, port):
        assert post(port, ACTION, ORDER) == order_done("cooked")
        entries = json.load(urlopen(f"http://127.0.0.1:{port}/ledger/123"))["entries"]
    assert [(entry["step"], entry["times_asked"]) for entry in entries] == [(ACTION, 2)]
