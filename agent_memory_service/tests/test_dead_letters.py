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


def test_twice_is_once(client):
    bury(client, cloud_event(turn(1)), cloud_event(turn(1)))
    # chat published the turn a second time: its envelope is another one.
    bury(client, cloud_event(turn(1), time="2026-01-05T09:00:07Z", traceparent="00-1-2-01"))
    assert len(listed(client)) == 1


def test_two_users_may_have_chosen_the_same_message_id(client):
    bury(client, cloud_event(turn(1)), cloud_event(turn(1, user_id="junaid", session_id="s-2")))
    assert [letter["event"]["data"]["user_id"] for letter in listed(client)] == ["junaid", "ada"]
    for letter in listed(client):
        assert client.post(f"/dead-letters/{letter['id']}/replay").status_code == 202
    assert [len(client.get(f"/conversations/{session}").json()["history"]) for session in ("s-1", "s-2")] == [2, 2]


def test_the_newest_come_first_page_by_page(client):
    bury(client, *(cloud_event(turn(number)) for number in range(25)))
    seen, page = [], client.get("/dead-letters", params={"limit": 10}).json()
    while True:
        seen += [letter["event_id"] for letter in page["dead_letters"]]
        if "next" not in page:
            break
        page = client.get("/dead-letters", params={"limit": 10, "before": page["next"]}).json()
    assert seen == [f"m-{number}" for number in reversed(range(25))]


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


def test_a_replay_of_poison_is_422_and_it_stays(client):
    bury(client, cloud_event({"user_id": "ada"}, id="poison"))
    (letter,) = listed(client)
    answer = client.post(f"/dead-letters/{letter['id']}/replay")
    assert answer.status_code == 422
    assert "session_id" in answer.json()["detail"]
    assert listed(client) == [letter]


def test_a_replay_into_another_users_session_is_409(client):
    client.deliver(turn(1))
    bury(client, cloud_event(turn(2, user_id="eve")))
    assert client.post(f"/dead-letters/{listed(client)[0]['id']}/replay").status_code == 409


def test_a_replay_while_the_store_is_down_is_503_and_it_stays(client):
    bury(client, cloud_event(turn(1)))
    letter_id = listed(client)[0]["id"]
    client.sidecar.is_down = True
    assert client.post(f"/dead-letters/{letter_id}/replay").status_code == 503
    client.sidecar.is_down = False
    assert len(listed(client)) == 1


def test_deleted_it_is_gone_and_may_come_again(client):
    bury(client, cloud_event(turn(1)), cloud_event(turn(2)))
    letter_id = listed(client)[0]["id"]
    assert client.delete(f"/dead-letters/{letter_id}").status_code == 204
    assert client.delete(f"/dead-letters/{letter_id}").status_code == 404
    assert [letter["event_id"] for letter in listed(client)] == ["m-1"]
    bury(client, cloud_event(turn(2)))
    assert [letter["event_id"] for letter in listed(client)] == ["m-2", "m-1"]


@pytest.mark.parametrize("letter_id", ["x", "g" * 32, "a" * 33, "..%2F..%2Fmemory"])
def test_an_id_of_another_form_is_422_or_404(client, letter_id):
    assert client.post(f"/dead-letters/{letter_id}/replay").status_code in (404, 422)
    assert client.delete(f"/dead-letters/{letter_id}").status_code in (404, 422)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"17",
        b"\xff",
        b'{"id": 17, "data": "text"}',
        b'{"data": {"user_id": 7}}',
        b'{"data": ' + b"[" * 300 + b"]" * 300 + b"}",
        b"[" * 100_000,
        rb'{"id": "e-1", "data": "\ud800"}',
    ],
    ids=lambda body: body[:20],
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
