"""Bad input is refused by name, and nothing is done."""

import pytest
from conftest import ORDER

MISSING = object()
BAD_IDS = ["", "x" * 65, "a b", "a/b", "../x", "a||b", "ä", "1\n", "'; DROP", "a\x00", "a:b", 123, None, []]
# No service downstream would take an order with one of these, so it must not be accepted and then stop there.
CONTROLS = ["a\nb", "a\x00b", "a\x7f", "\t"]
BAD_VALUES = {
    "order_id": [MISSING, *BAD_IDS],
    "pizza_type": [MISSING, "", "x" * 51, 1, *CONTROLS],
    "size": [MISSING, "", "Large", "huge", 1],
    "customer": [MISSING, "Ada"],
    "customer.name": [MISSING, "", "x" * 101, "x" * 1_000_000, *CONTROLS],
    "customer.address": [MISSING, "", "x" * 201, *CONTROLS],
    "customer.phone": [MISSING, "1", "x" * 5, "1" * 31],
    "extra_cheese": [True],
    "customer.floor": [3],
}


def order_with(field, value):
    """Return an order that has this value, or not this field."""
    order = {**ORDER, "customer": {**ORDER["customer"]}}
    part = order["customer"] if "." in field else order
    name = field.removeprefix("customer.")
    part[name] = value
    if value is MISSING:
        del part[name]
    return order


BAD_ORDERS = [(order_with(field, value), field) for field, values in BAD_VALUES.items() for value in values]


@pytest.mark.parametrize(("order", "field"), [*BAD_ORDERS, ([], "body"), ("Ada", "body")])
def test_a_bad_order_is_refused_with_the_field_named(client, sidecar, order, field):
    answer = client.post("/start-order", json=order)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert answer.json()["detail"].startswith(f"{field}: ")
    assert len(answer.content) < 1_000
    assert sidecar.dapr.values == {}


def test_unicode_is_fine_where_people_write(client, ada, sidecar):
    customer = {"name": "Jürgen 漢字 ✓", "address": "Straße 1, \u202eobereds", "phone": "+49 (0)30 1-2"}
    assert client.post("/start-order", json={**ORDER, "pizza_type": "Vier Käse 🧀", "customer": customer}).is_success
    ada.until("pending_validation")
    assert sidecar.peers.calls[0][2]["customer"] == customer


@pytest.mark.parametrize("route", ["/get-order", "/pause-order", "/resume-order", "/cancel-order", "/validate-pizza"])
def test_every_route_names_a_field_that_it_does_not_know(client, route):
    body = {"order_id": "123", **({"approved": True} if route == "/validate-pizza" else {}), "ordre_id": "7"}
    assert [error["field"] for error in client.post(route, json=body).json()["errors"]] == ["ordre_id"]


def test_null_is_the_same_as_not_given(client, ada, sidecar):
    ada.order_and_wait()
    assert client.post("/cancel-order", json={"order_id": "123", "reason": None, "force": None}).status_code == 202
    assert sidecar.final_event()["note"] == "cancelled by request"


@pytest.mark.parametrize("route", ["/get-order", "/pause-order", "/resume-order", "/cancel-order", "/validate-pizza"])
@pytest.mark.parametrize("body", [{}, {"order_id": "a/b"}, {"order_id": "x" * 65}, {"order_id": 1}])
def test_every_route_refuses_a_bad_id(client, route, body):
    answer = client.post(route, json={**({"approved": True} if "validate" in route else {}), **body})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["order_id"]


@pytest.mark.parametrize("order_id", ["a%20b", "x" * 65, "a%7C%7Cb", "%27"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/orders/"), ("POST", "/job/watch-")])
def test_a_bad_id_in_the_path_is_refused(client, method, path, order_id):
    answer = client.request(method, f"{path}{order_id}")
    assert [error["field"] for error in answer.json()["errors"]] == ["order_id"]


@pytest.mark.parametrize(
    ("verdict", "field"),
    [
        *[({"approved": approved}, "approved") for approved in ("yes", 1, None)],
        ({}, "approved"),
        ({"approved": True, "validation_status": "approved"}, "approved"),
        ({"approved": None, "validation_status": None}, "approved"),
        ({"validation_status": "maybe"}, "validation_status"),
        *[({"approved": True, "attempt": attempt}, "attempt") for attempt in (0, 101, "one")],
    ],
)
def test_a_bad_verdict_is_refused_with_the_field_named(client, verdict, field):
    answer = client.post("/validate-pizza", json={"order_id": "123", **verdict})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("more", [{"reason": "x" * 201}, {"reason": 1}, {"force": "yes"}, {"force": 1}])
def test_a_bad_cancellation_is_refused(client, more):
    answer = client.post("/cancel-order", json={"order_id": "123", **more})
    assert [error["field"] for error in answer.json()["errors"]] == list(more)
