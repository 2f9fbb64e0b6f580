"""The ledger as one reads it: by order, and page by page with the orders that came last first."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from story import ACTION, ORDER


def post(client, *order_ids):
    for order_id in order_ids:
        assert client.post(f"/{ACTION}", json={**ORDER, "order_id": order_id}).status_code == 200


def listed(client, **query):
    answer = client.get("/ledger", params=query)
    assert answer.status_code == 200
    return [entry["order_id"] for entry in answer.json()["entries"]], answer.json()["next"]


def test_an_unknown_order_is_404(client):
    answer = client.get("/ledger/unknown")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "unknown" in answer.json()["detail"]


def test_an_empty_ledger_is_an_empty_list(client):
    assert client.get("/ledger").json() == {"entries": [], "next": None}


def test_newest_first_and_page_by_page_over_the_pages_of_the_store(serve):
    client = serve(orders_per_page=3)
    post(client, *"abcdefg")
    assert listed(client) == (list("gfedcba"), None)
    seen, following = [], None
    while following is not None or not seen:
        found, following = listed(client, limit=2, **({"before": following} if following else {}))
        seen.append("".join(found))
    assert seen == ["gf", "ed", "cb", "a"]


def test_a_page_stays_what_it_was_when_orders_come_in_meanwhile(serve):
    client = serve(orders_per_page=3)
    post(client, *"abcd")
    _, following = listed(client, limit=2)
    post(client, *"efg")
    assert listed(client, limit=2, before=following) == (["b", "a"], None)


@pytest.mark.parametrize("orders", [1, 3, 4, 12, 40])
def test_a_new_process_finds_the_last_page(serve, orders):
    post(serve(orders_per_page=3), *(f"old-{number}" for number in range(orders)))
    later = serve(orders_per_page=3)
    post(later, "new")
    assert listed(later, limit=2)[0] == ["new", f"old-{orders - 1}"]
    assert len(listed(later, limit=100)[0]) == orders + 1


def test_adding_an_order_costs_the_same_however_many_there_are(serve, sidecar):
    client = serve(orders_per_page=5)
    costs = []
    for number in range(60):
        before = len(sidecar.calls)
        post(client, f"n{number}")
        costs.append(len(sidecar.calls) - before)
    # Read the order, read the page, save the page, save the order; and now and then a look at a new page.
    assert max(costs[1:]) <= 5


def test_two_replicas_at_once_lose_no_order_and_list_none_twice(serve):
    replicas = [serve(orders_per_page=4), serve(orders_per_page=4)]
    ids = [f"n{number}" for number in range(40)]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda number: post(replicas[number % 2], ids[number]), range(40)))
    assert sorted(listed(replicas[0], limit=100)[0]) == sorted(ids)


def test_an_order_that_died_between_the_list_and_its_record_does_not_break_the_list(client, sidecar):
    post(client, "a")
    sidecar.values["pizzaledger", "page:0"] = (b'["a","half"]', 2)
    assert listed(client) == (["a"], None)
    post(client, "half")
    assert listed(client) == (["half", "a"], None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"before": "x"}, "before"),
        ({"before": "1.2.3"}, "before"),
        ({"before": "-1.0"}, "before"),
        ({"before": "9" * 100}, "before"),
    ],
)
def test_bad_queries_are_refused_by_field(client, query, field):
    answer = client.get("/ledger", params=query)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_page_far_beyond_the_end_is_empty(client):
    post(client, "a")
    assert client.get("/ledger", params={"before": "0.0"}).json() == {"entries": [], "next": None}
