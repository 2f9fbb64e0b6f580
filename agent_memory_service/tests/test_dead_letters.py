"""Events that could not be processed are kept, listed, replayed and removed."""

import pytest
from conftest import cloud_event, turn


def bury(client, *events):
    for event in events:
        assert client.post("/events/conversations-dead", json=event).json() == {"status": "SUCCESS"}


def listed(client, **params):
    return client.get("/dead-letters", params=params).json()["dead_letters"]


def test_a_poison_event_is_kept_with_a_reason_that_does_not_repeat_what_the_user_wrote(client):
    poison = cloud_event(turn(1, session_id="my secret words"), id="poison")
    bury(client, poison)
    (letter,) = listed(client)
    assert (letter["event_id"], letter["event"]) == ("poison", poison)
    assert letter["reason"].startswith("session_id: ")
    assert "my secret words" not in letter["reason"]


def test_replayed_it_is_processed_and_off_the_list(client):
    """Two users may have chosen the same message id, and one of the turns may be stored after all."""
    client.deliver(turn(1))
    bury(client, cloud_event(turn(1)), cloud_event(turn(1, user_id="junaid", session_id="s-2")))
    assert [letter["event"]["data"]["user_id"] for letter in listed(client)] == ["junaid", "ada"]
    for letter in listed(client):
        assert "retries" in letter["reason"]
        answers = [client.post(f"/dead-letters/{letter['id']}/replay") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 404]
        assert answers[0].json() == {"id": letter["id"], "status": "processed"}
    assert listed(client) == []
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
    assert client.post("/events/conversations", content=body, headers={"content-type": "application/json"}).json() == {
        "status": "DROP"
    }
    assert client.post(
        "/events/conversations-dead", content=body, headers={"content-type": "application/json"}
    ).json() == {"status": "SUCCESS"}
    assert len(listed(client)) == 1


def test_of_a_huge_one_the_beginning_is_kept_which_cannot_be_replayed(client):
    bury(client, cloud_event({"user_id": "ada", "user_message": "x" * 300_000}, id="huge"))
    (letter,) = listed(client)
    assert (letter["event_id"], letter["event"][:2]) == ("huge", '{"')
    assert client.post(f"/dead-letters/{letter['id']}/replay").status_code == 422
