"""Orders are stored, read, listed and deleted."""

import grpc
import pytest
from story import KNOWN, ORDER, deliver, event

from kit.fakes.pizza import BAD

STORED = {"order_id": "123", "status": "stored", "step": None, "attempt": None, "run": None, "final": False}
STORED |= {"ended_run": None, "order": ORDER, "timeline": []}


def problem_of(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    return answer.json()


def test_an_order_is_stored_once_and_the_same_one_again_is_fine(client):
    answers = [client.post("/orders", json=ORDER) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert [answer.json() for answer in answers] == [STORED] * 3
    assert client.get("/orders/123").json() == STORED


def test_another_order_with_the_same_id_is_refused(client):
    client.post("/orders", json=ORDER)
    answer = client.post("/orders", json={**ORDER, "size": "small"})
    assert problem_of(answer, 409)["code"] == "ORDER_DIFFERS"
    assert client.get("/orders/123").json()["order"]["size"] == "large"


def test_the_events_of_a_stored_order_are_entered_and_its_customer_is_kept(client):
    client.post("/orders", json=ORDER)
    deliver(client, event(2), event(1))
    found = client.get("/orders/123").json()
    assert (found["status"], found["run"], found["order"]) == ("cooking", "a1", ORDER)


def test_storing_an_order_that_was_started_adds_its_customer(client):
    deliver(client, event(1))
    assert client.get("/orders/123").json()["order"] == KNOWN
    assert client.post("/orders", json={**ORDER, "size": "small"}).status_code == 409
    assert [client.post("/orders", json=ORDER).status_code for _ in range(2)] == [200, 200]
    assert client.get("/orders/123").json()["status"] == "confirmed"
    assert client.get("/orders/123").json()["order"] == ORDER


def test_an_unknown_order_is_404_without_the_code_of_a_deletion(client):
    for answer in (client.get("/orders/nope"), client.delete("/orders/nope")):
        assert "code" not in problem_of(answer, 404)
        assert "nope" in answer.json()["detail"]


def test_a_running_order_is_not_deleted(client):
    deliver(client, event(1), event(5))
    assert problem_of(client.delete("/orders/123"), 409)["code"] == "ORDER_RUNNING"
    assert client.get("/orders/123").status_code == 200


def test_a_deleted_order_names_the_run_that_was_deleted_also_when_it_is_stored_again(client):
    deliver(client, event(1), event(7))
    assert client.delete("/orders/123").status_code == 204
    for answer in (client.get("/orders/123"), client.delete("/orders/123")):
        found = problem_of(answer, 404)
        assert (found["code"], found["run"]) == ("ORDER_DELETED", "a1")
    client.post("/orders", json=ORDER)
    assert client.get("/orders/123").json() == {**STORED, "ended_run": "a1"}


def test_an_order_that_was_only_stored_is_deleted_without_a_run(client):
    client.post("/orders", json=ORDER)
    client.delete("/orders/123")
    found = problem_of(client.get("/orders/123"), 404)
    assert (found["code"], found.get("run")) == ("ORDER_DELETED", None)
    assert client.post("/orders", json={**ORDER, "size": "small"}).status_code == 201


def test_many_runs_of_one_id_are_forgotten_one_by_one_and_not_all(client):
    for number in range(60):
        deliver(client, event(1, run=f"r{number}"), event(7, run=f"r{number}"))
        assert client.delete("/orders/123").status_code == 204
    assert deliver(client, event(2, run="r59"), event(2, run="r20")) == ["SUCCESS"] * 2
    assert client.get("/orders/123").json()["run"] == "r59"


def test_orders_are_listed_newest_first_page_by_page_without_the_deleted(serve):
    client = serve(orders_per_page=3)
    for order_id in "abcdefg":
        client.post("/orders", json={**ORDER, "order_id": order_id})
    client.delete("/orders/e")
    seen, following = [], None
    while following is not None or not seen:
        page = client.get("/orders", params={"limit": 3, **({"before": following} if following else {})}).json()
        seen.append("".join(order["order_id"] for order in page["orders"]))
        following = page["next"]
    assert seen == ["gf", "dcb", "a"]
    assert "/orders" in client.get("/").json()["message"]


BAD_IDS = [({"order_id": bad}, "order_id") for bad in ("a" * 65, "a:b", "../x", "a b", "1\n", "\x00", None)]
HUGE_NAME = ({"customer": {**ORDER["customer"], "name": "x" * 1_000_000}}, "customer.name")


@pytest.mark.parametrize(("bad", "field"), [*BAD, *BAD_IDS, HUGE_NAME], ids=lambda one: str(one)[:60])
def test_a_bad_order_is_refused_by_field_and_nothing_is_stored(client, sidecar, bad, field):
    answer = client.post("/orders", json={**ORDER, **bad})
    assert [error["field"] for error in problem_of(answer, 422)["errors"]] == [field]
    assert sidecar.calls == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        *[(f"/orders/{bad}", "order_id") for bad in ("a" * 65, "a%7C%7Cb", "ä", "a%20b")],
        *[(f"{path}?before=x", "before") for path in ("/orders", "/dead-letters")],
        *[(f"{path}?limit={bad}", "limit") for path in ("/orders", "/dead-letters") for bad in (0, 101)],
    ],
)
def test_a_bad_path_or_query_is_refused_by_field(client, path, field):
    assert problem_of(client.get(path), 422)["errors"][0]["field"] == field


ASKING = [
    ("POST", "/orders", ORDER),
    ("GET", "/orders", None),
    ("GET", "/orders/123", None),
    ("DELETE", "/orders/123", None),
    ("POST", "/events/orders", event(1)),
    ("POST", "/events/orders-dead", event(1)),
    ("GET", "/dead-letters", None),
    ("POST", f"/dead-letters/{'a' * 32}/replay", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ASKING)
def test_a_store_that_fails_is_named_and_events_are_delivered_again(client, sidecar, method, path, body):
    sidecar.refuse = lambda *_: (grpc.StatusCode.INTERNAL, "dial tcp 10.0.0.7:6379")
    answer = client.request(method, path, json=body)
    assert problem_of(answer, 503)["dependency"] == "pizzastatestore"
    assert "10.0.0.7" not in answer.text


def test_a_deletion_removes_every_trace_of_the_customer(client, sidecar, caplog):
    client.post("/orders", json=ORDER)
    deliver(client, event(1), event(7))
    assert ORDER["customer"]["phone"] in sidecar.everything()
    client.delete("/orders/123")
    for kept in (sidecar.everything(), caplog.text):
        assert [one for one in ORDER["customer"].values() if one in kept] == []


def test_an_order_expires_with_the_retention_and_its_list_not_before_it(client, sidecar):
    client.post("/orders", json=ORDER)
    deliver(client, event(1), event(7))
    assert sidecar.ttls() == {"order:123": 7_776_000, "orders": 15_552_000}
    sidecar.expire()
    assert client.get("/orders").json() == {"orders": [], "next": None}
    problem_of(client.get("/orders/123"), 404)
