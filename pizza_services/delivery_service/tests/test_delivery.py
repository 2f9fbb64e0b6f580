"""What is particular to delivery: a recall is for the whole run of an order, whichever pizza is on its way."""

import pytest
from story import ORDER, UNDO, ledger


def test_each_attempt_is_a_delivery_of_its_own(client):
    answers = [client.post("/deliver", json={**ORDER, "attempt": attempt}).json() for attempt in (1, 2, 2)]
    assert [answer["attempt"] for answer in answers] == [1, 2, 2]
    assert [(entry[2], entry[4]) for entry in ledger(client)] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("attempt", [1, 2, 1000])
def test_a_recall_refuses_every_attempt_of_its_run_and_none_of_another(client, attempt):
    client.post("/recall", json=UNDO)
    late = {**ORDER, "attempt": attempt}
    assert client.post("/deliver", json=late).json()["code"] == "ALREADY_CANCELLED"
    assert client.post("/deliver", json={**late, "run": "2"}).status_code == 200
