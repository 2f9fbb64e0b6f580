"""The kitchen cooks each pizza once; one that was rejected is discarded, and another one is cooked."""

from pathlib import Path

from kit.fakes.pizza import ORDER, TASK, Edge, done, ledger, order_done


class TestEdge(Edge):
    folder, app_id, action, status = Path(__file__).parent.parent, "pizza-kitchen", "cook", "cooked"
    compensations = ("discard",)


def test_a_pizza_is_cooked_once_and_answered_with_its_status(client):
    assert [client.post("/cook", json=ORDER).json() for _ in range(2)] == [order_done("cooked")] * 2
    assert ledger(client) == [("cook", "1", 1, "cooked", 2)]


def test_a_discarded_attempt_is_refused_and_the_next_one_is_cooked(client):
    for attempt in (1, 2):
        assert client.post("/cook", json={**ORDER, "attempt": attempt}).status_code == 200
        assert client.post("/discard", json={**TASK, "attempt": attempt}).json() == done("discarded", attempt=attempt)
        answer = client.post("/cook", json={**ORDER, "attempt": attempt})
        assert (answer.status_code, answer.json()["code"]) == (409, "ALREADY_CANCELLED")
        assert answer.json()["detail"] == "order_id: order 123 was discarded and can no longer be cooked."
    assert client.post("/cook", json={**ORDER, "attempt": 3}).json()["status"] == "cooked"
    steps = [("cook", "1", 1), ("discard", "1", 1), ("cook", "1", 2), ("discard", "1", 2), ("cook", "1", 3)]
    assert [entry[:3] for entry in ledger(client)] == steps


def test_a_discard_of_one_attempt_leaves_the_others_alone(client):
    client.post("/cook", json=ORDER)
    client.post("/discard", json={**TASK, "attempt": 2})
    assert client.post("/cook", json=ORDER).status_code == 200
    assert client.post("/cook", json={**ORDER, "attempt": 2}).status_code == 409
