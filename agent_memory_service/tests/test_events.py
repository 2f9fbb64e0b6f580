"""Each announced turn is kept once, also if its event is repeated, late, or interrupted."""

import pytest
from conftest import cloud_event, hash_of, turn


def contents(client, session_id="s-1", limit=100):
    history = client.get(f"/conversations/{session_id}", params={"limit": limit}).json()["history"]
    return [message["content"] for message in history]


def test_a_turn_is_two_messages_of_its_conversation_however_often_it_is_delivered(client):
    assert client.deliver(turn(1), turn(1)).json() == {"status": "SUCCESS"}
    at = turn(1)["timestamp"].replace("+00:00", "Z")
    assert client.get("/conversations/s-1").json() == {
        "session_id": "s-1",
        "history": [
            {"role": "user", "content": "question 1", "timestamp": at, "message_id": "m-1"},
            {"role": "assistant", "content": "answer 1", "timestamp": at, "message_id": "m-1"},
        ],
    }


def test_events_that_overtake_each_other_are_told_in_the_order_of_their_time(client):
    client.deliver(turn(3), turn(1), turn(2))
    assert contents(client)[::2] == ["question 1", "question 2", "question 3"]


def test_a_session_takes_no_turn_of_another_user(client):
    client.deliver(turn(1))
    assert client.deliver(turn(2, user_id="eve")).json() == {"status": "DROP"}
    assert contents(client) == ["question 1", "answer 1"]


def test_no_key_holds_a_user_id(client):
    client.deliver(turn(1, user_id="ada@example.org"))
    client.post("/memories/ada@example.org/initialize", json={"name": "Ada"})
    assert [key for key in client.sidecar.keys("") if "ada@" in key] == []
    assert f"memory:{hash_of('ada@example.org')}" in client.sidecar.keys("")


LONGEST = {"user_message": "\U0001f600" * 4000, "assistant_reply": "ß" * 16_000, "session_id": "s" * 64}


@pytest.mark.parametrize(
    "fields",
    [
        LONGEST,
        {"user_id": "a" * 128},
        {"assistant_reply": ""},
        {"user_message": "'; DROP TABLE users; -- <script>alert(1)</script> ${jndi:ldap://x}"},
        {"user_message": "你好 世界", "assistant_reply": "こんにちは\u0000\n"},
        {"timestamp": "2026-01-05T00:00:00+00:00"},
    ],
    ids=lambda fields: ",".join(fields),
)
def test_what_is_allowed_is_kept_as_it_is(client, fields):
    event = turn(1, **fields)
    assert client.deliver(event).json() == {"status": "SUCCESS"}
    assert contents(client, event["session_id"]) == [event["user_message"], event["assistant_reply"]]


BAD = {
    "user_id": ["", "a" * 129, "ada:x", "ada\n", 7, None],
    "session_id": ["s:at:m", "s" * 65, "../s", "ß"],
    "message_id": ["", "m 1", ["m"]],
    "event_type": ["Other"],
    "user_message": ["", "x" * 4001],
    "assistant_reply": ["x" * 16_001, {"text": "x"}],
    "timestamp": ["2026-01-05T09:00:00", "yesterday"],
}


@pytest.mark.parametrize("fields", [{name: bad} for name, values in BAD.items() for bad in values], ids=str)
def test_an_invalid_event_is_dropped_at_once_and_leaves_nothing(client, fields):
    answer = client.deliver(turn(1, **fields))
    assert (answer.status_code, answer.json()) == (200, {"status": "DROP"})
    assert client.sidecar.keys("") == []


def test_a_store_that_is_down_has_the_event_sent_again(client):
    client.sidecar.is_down = True
    answer = client.deliver(turn(1))
    assert answer.status_code == 503
    client.sidecar.is_down = False
    assert client.deliver(turn(1)).json() == {"status": "SUCCESS"}
    assert contents(client) == ["question 1", "answer 1"]


def test_the_cost_of_a_turn_does_not_grow(serve):
    # Without refreshes of the summary, which vary with time.
    client = serve(summary_delay_seconds=30.0)

    def calls_of(numbers):
        before = len(client.sidecar.calls)
        client.deliver(*(turn(number) for number in numbers))
        return len(client.sidecar.calls) - before

    client.deliver(turn(0))
    early = calls_of(range(1, 6))
    client.deliver(*(turn(number) for number in range(6, 130)))
    assert calls_of(range(130, 135)) == early
    assert max(len(one.data) for one in client.sidecar.values.values()) < 25 * 400


def taught(**fields):
    """Return an event with the five fields of the taught material, in the envelope that Dapr gives it."""
    data = {name: value for name, value in turn(1).items() if name not in ("message_id", "timestamp")}
    return cloud_event(data, id="0f2b9c1e-77aa-4d1b-9c55-0123456789ab", time="2026-01-05T09:00:07Z") | fields


def test_the_taught_event_is_kept_under_its_own_id_and_time(client):
    for _ in range(2):
        assert client.post("/events/conversations", json=taught()).json() == {"status": "SUCCESS"}
    question, answer = client.get("/conversations/s-1").json()["history"]
    assert (question["content"], answer["content"]) == ("question 1", "answer 1")
    assert question["message_id"] == "0f2b9c1e-77aa-4d1b-9c55-0123456789ab"
    assert question["timestamp"] == "2026-01-05T09:00:07Z"


def test_an_event_id_that_cannot_be_part_of_a_key_still_makes_one(client):
    for event_id in ("a:b", "a||b", "x" * 65):
        for _ in range(2):
            assert client.post("/events/conversations", json=taught(id=event_id)).json() == {"status": "SUCCESS"}
    assert len(client.get("/conversations/s-1").json()["history"]) == 6


@pytest.mark.parametrize("fields", [{"id": ""}, {"id": None}, {"time": None}, {"time": "yesterday"}], ids=str)
def test_an_event_that_nothing_names_or_dates_is_dropped(client, fields):
    assert client.post("/events/conversations", json=taught(**fields)).json() == {"status": "DROP"}
    assert client.sidecar.keys("") == []


def test_a_taught_event_of_a_forgotten_user_is_dropped(client):
    client.post("/memories/ada/initialize", json={"name": "Ada"})
    client.forget("ada")
    assert client.post("/events/conversations", json=taught()).json() == {"status": "SUCCESS"}
    assert client.get("/conversations/s-1").status_code == 404
