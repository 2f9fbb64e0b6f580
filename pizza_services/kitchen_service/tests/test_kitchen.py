"""What is particular to the kitchen: a pizza that is sent back is thrown away, and another one is cooked."""

from story import ORDER, UNDO, ledger


def test_a_discarded_attempt_is_refused_and_the_next_one_is_cooked(client):
    for attempt in (1, 2):
        assert client.post("/cook", json={**ORDER, "attempt": attempt}).status_code == 200
        assert client.post("/discard", json={**UNDO, "attempt": attempt}).json()["attempt"] == attempt
        assert client.post("/cook", json={**ORDER, "attempt": attempt}).json()["code"] == "ALREADY_CANCELLED"
    assert client.post("/cook", json={**ORDER, "attempt": 3}).json()["status"] == "cooked"
    assert [entry[:3] for entry in ledger(client)] == [
        ("cook", "1", 1),
        ("discard", "1", 1),
        ("cook", "1", 2),
        ("discard", "1", 2),
        ("cook", "1", 3),
    ]


def test_a_discard_of_one_attempt_leaves_the_others_alone(client):
    client.post("/cook", json=ORDER)
    client.post("/discard", json={**UNDO, "attempt": 2})
    assert client.post("/cook", json=ORDER).status_code == 200
    assert client.post("/cook", json={**ORDER, "attempt": 2}).status_code == 409
