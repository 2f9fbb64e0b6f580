"""The tests that each pizza service with a ledger has to pass at its edge, and the order in them.

A conftest.py names this module in `pytest_plugins`, after `kit.fakes.service`.
"""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from kit.fakes.contract import check_openapi
from kit.fakes.waiting import eventually, process

CUSTOMER = {"name": "Ada", "address": "12 St James's Square", "phone": "+44 20 7946 0018"}
ORDER: dict[str, Any] = {"order_id": "123", "pizza_type": "pepperoni", "size": "large", "customer": CUSTOMER}
TASK = {"order_id": "123"}
BAD: list[tuple[dict[str, Any], str]] = [
    *[({"pizza_type": bad}, "pizza_type") for bad in ("", "a" * 51, "a\x00b", "a\nb", 1, None)],
    *[({"size": bad}, "size") for bad in ("huge", "", "LARGE", None, 1)],
    *[({"customer": bad}, "customer") for bad in (None, "Ada", 1)],
    *[({"customer": {**CUSTOMER, "name": bad}}, "customer.name") for bad in ("", "a" * 101, "a\x1bb", None)],
    *[({"customer": {**CUSTOMER, "address": bad}}, "customer.address") for bad in ("", "a" * 201, 5)],
    *[({"customer": {**CUSTOMER, "phone": bad}}, "customer.phone") for bad in ("", "12", "1" * 31, "call me")],
    *[({"order_id": bad}, "order_id") for bad in ("", "a||b", 7)],
    ({"extra_cheese": True}, "extra_cheese"),
    ({"customer": {**CUSTOMER, "floor": 3}}, "customer.floor"),
]


@pytest.fixture
def defaults(sidecar: Any) -> dict[str, Any]:
    """Return the settings of a service beside the sidecar, whose steps take no time."""
    return sidecar.ports | {"step_seconds": 0}


def done(status: str, **key: Any) -> dict[str, Any]:
    """Return the answer to a compensation of ORDER, or of the run and attempt in `key`."""
    return {"order_id": "123", "run": "1", "attempt": 1, "status": status, **key}


def order_done(status: str, **key: Any) -> dict[str, Any]:
    """Return the answer to the action: the order and its status."""
    return {**ORDER, **done(status, **key)}


def ledger(client: Any, order_id: str = "123") -> list[tuple[Any, ...]]:
    """Return step, run, attempt, status and times asked of each entry of an order."""
    entries = client.get(f"/ledger/{order_id}").json()["entries"]
    return [(e["step"], e["run"], e["attempt"], e["status"], e["times_asked"]) for e in entries]


def post(port: int, path: str, body: Any) -> Any:
    """Post JSON to a service that runs as a process, and return the answer's."""
    request = Request(f"http://127.0.0.1:{port}/{path}", json.dumps(body).encode())
    request.add_header("content-type", "application/json")
    return json.load(urlopen(request))


def environment_of(sidecar: Any, **more: Any) -> dict[str, Any]:
    """Return the environment of a process beside this sidecar."""
    return {name.upper(): port for name, port in sidecar.ports.items()} | more


def _fields(answer: Any) -> list[str]:
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    return [error["field"] for error in answer.json()["errors"]]


class Edge:
    """Bad orders, faults on purpose, the token, the contract, and a process that stops cleanly."""

    folder: Path
    app_id: str
    action: str
    status: str
    compensations: tuple[str, ...]

    @pytest.mark.parametrize(("bad", "field"), BAD)
    def test_a_bad_order_is_refused_by_field_and_nothing_is_done(
        self, client: Any, sidecar: Any, bad: dict[str, Any], field: str
    ) -> None:
        assert _fields(client.post(f"/{self.action}", json={**ORDER, **bad})) == [field]
        assert sidecar.calls == []

    def test_a_bad_compensation_is_refused_by_field(self, client: Any, sidecar: Any) -> None:
        for route in self.compensations:
            assert _fields(client.post(f"/{route}", json={"order_id": "a||b"})) == ["order_id"]
        assert sidecar.calls == []

    @pytest.mark.parametrize("name", ["漢字 ✓", "Jürgen O'Neil; DROP TABLE", "<b>", "x" * 100, "✓" * 100])
    def test_a_name_may_be_any_text_and_no_data_of_the_customer_is_kept(
        self, client: Any, sidecar: Any, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        order = {**ORDER, "customer": {**CUSTOMER, "name": name}}
        assert client.post(f"/{self.action}", json=order).json()["customer"]["name"] == name
        for kept in (sidecar.everything(), caplog.text):
            assert [one for one in order["customer"].values() if one in kept] == []

    def test_faults_strike_every_action_and_nothing_else(self, client: Any, sidecar: Any) -> None:
        client.put("/faults", json={"fail_next": 9, "status": 503})
        routes = [self.action, *self.compensations]
        answers = [client.post(f"/{route}", json=ORDER if route == self.action else TASK) for route in routes]
        assert [answer.status_code for answer in answers] == [503] * len(routes)
        assert answers[1].json()["detail"] == f"Simulated temporary error from {self.app_id} (attempt 2)"
        assert sidecar.calls == []
        assert client.get("/ledger").status_code == 200
        assert client.get("/faults").json()["calls"] == len(routes)
        client.delete("/faults")
        assert client.post(f"/{self.action}", json=ORDER).status_code == 200
        assert [entry[4] for entry in ledger(client)] == [1]

    def test_with_an_app_token_only_the_sidecar_may_call(self, serve: Any, sidecar: Any) -> None:
        guarded = serve(app_api_token="s3cret")
        assert guarded.post(f"/{self.action}", json=ORDER).status_code == 401
        assert guarded.get("/ledger").status_code == 401
        assert sidecar.calls == []
        headers = {"dapr-api-token": "s3cret"}
        assert guarded.post(f"/{self.action}", json=ORDER, headers=headers).status_code == 200

    def test_the_contract_and_the_welcome_are_what_is_served(self, client: Any) -> None:
        check_openapi(self.folder)
        message = client.get("/").json()["message"]
        routes = [self.action, *self.compensations, "ledger", "docs", "healthz", "readyz"]
        assert [route for route in routes if f"/{route}" not in message] == []

    def test_a_request_in_flight_is_answered_after_sigterm(self, sidecar: Any) -> None:
        environment = environment_of(sidecar, STEP_SECONDS=0.7)
        with process(self.folder, **environment) as (running, port), ThreadPoolExecutor() as pool:
            answer = pool.submit(post, port, self.action, ORDER)
            eventually(lambda: sidecar.value("order:123"))
            running.terminate()
            assert answer.result(10) == order_done(self.status)
            assert running.wait(10) in (0, -signal.SIGTERM)
