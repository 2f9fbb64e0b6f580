"""Events that could not be processed are kept, listed, replayed and removed."""

import json

import pytest
from conftest import cloud_event, turn


def bury(client, *events):
    for event in events:
        assert client.post("/events/conversations-dead", json=event).json() == {"status": "SUCCESS"}


def listed(client, **params):
    return client.get("/dead-letters", params=params).json()["dead_letters"]


def test_a_poison_event_is_kept_with_the_reason(client):
    poison = cloud_event({**turn(1), "user_message": ""}, id="poison")
    bury(client, poison)
    (letter,) = listed(client)
    assert (letter["event_id"], letter["event"]) == ("poison", poison)
    assert letter["reason"].startswith("user_message: ")


def test_two_users_may_have_chosen_the_same_message_id(client):
    bury(client, cloud_event(turn(1)), cloud_event(turn(1, user_id="junaid", session_id="s-2")))
    assert [letter["event"]["data"]["user_id"] for letter in listed(client)] == ["junaid", "ada"]
    for letter in listed(client):
        assert client.post(f"/dead-letters/{letter['id']}/replay").status_code == 202
    assert [len(client.get(f"/conversations/{session}").json()["history"]) for session in ("s-1", "s-2")] == [2, 2]


def test_they_are_listed_page_by_page_and_each_can_be_removed(client):
    bury(client, *(cloud_event(turn(number)) for number in (1, 2, 3, 3)))
    first = client.get("/dead-letters", params={"limit": 2}).json()
    rest = client.get("/dead-letters", params={"limit": 2, "before": first["next"]}).json()
    assert [one["event_id"] for page in (first, rest) for one in page["dead_letters"]] == ["m-3", "m-2", "m-1"]
    assert "next" not in rest
    path = f"/dead-letters/{first['dead_letters'][0]['id']}"
    assert [client.delete(path).status_code for _ in range(2)] == [204, 404]
    assert [letter["event_id"] for letter in listed(client)] == ["m-2", "m-1"]


def test_replayed_it_is_processed_and_off_the_list(client):
    bury(client, cloud_event(turn(1)))
    (letter,) = listed(client)
    assert "retries" in letter["reason"]
    answer = client.post(f"/dead-letters/{letter['id']}/replay")
    assert (answer.status_code, answer.json()) == (202, {"id": letter["id"], "status": "processed"})
    assert listed(client) == []
    assert client.get("/conversations/s-1").json()["history"][0]["content"] == "question 1"
    assert client.post(f"/dead-letters/{letter['id']}/replay").status_code == 404


def test_replayed_although_it_was_kept_after_all_it_adds_nothing(client):
    client.deliver(turn(1))
    bury(client, cloud_event(turn(1)))
    client.post(f"/dead-letters/{listed(client)[0]['id']}/replay")
    assert len(client.get("/conversations/s-1").json()["history"]) == 2


@pytest.mark.parametrize(
    ("data", "is_down", "status", "detail"),
    [
        ({"user_id": "ada"}, False, 422, "session_id"),
        (turn(2, user_id="eve"), False, 409, "session_id"),
        (turn(2), True, 503, "statestore"),
    ],
    ids=["still poison", "another user's session", "the store is down"],
)
def test_one_whose_replay_fails_stays(client, data, is_down, status, detail):
    client.deliver(turn(1))
    bury(client, cloud_event(data))
    (letter,) = listed(client)
    client.sidecar.is_down = is_down
    answer = client.post(f"/dead-letters/{letter['id']}/replay")
    assert (answer.status_code, detail in answer.json()["detail"]) == (status, True)
    client.sidecar.is_down = False
    assert listed(client) == [letter]


@pytest.mark.parametrize("letter_id", ["x", "g" * 32, "a" * 33, "..%2F..%2Fmemory"])
def test_an_id_of_another_form_is_422_or_404(client, letter_id):
    assert client.post(f"/dead-letters/{letter_id}/replay").status_code in (404, 422)
    assert client.delete(f"/dead-letters/{letter_id}").status_code in (404, 422)


# What else may arrive, the kit's tests of events show.
@pytest.mark.parametrize(
    "body", [b"", b"{", b"17", b"\xff", b'{"id": 17, "data": "text"}', b'{"data": {"user_id": 7}}']
)
def test_whatever_comes_is_kept(client, body):
    assert client.post("/events/conversations", content=body).json() == {"status": "DROP"}
    assert client.post("/events/conversations-dead", content=body).json() == {"status": "SUCCESS"}
    assert len(listed(client)) == 1


def test_of_a_huge_one_only_the_fact_is_kept(client):
    bury(client, cloud_event({"user_id": "ada", "user_message": "x" * 300_000}, id="huge"))
    (letter,) = listed(client)
    assert letter["event_id"] == "huge"
    assert "event" not in letter
    assert client.post(f"/dead-letters/{letter['id']}/replay").status_code == 422


def test_the_reason_does_not_repeat_what_the_user_wrote(client):
    bury(client, cloud_event(turn(1, session_id="my secret words")))
    (letter,) = listed(client)
    assert "my secret words" not in letter["reason"]
    assert "my secret words" in json.dumps(letter["event"])
