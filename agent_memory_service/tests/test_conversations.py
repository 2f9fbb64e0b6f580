"""Conversations are read from their end, page by page."""

import pytest
from conftest import turn


@pytest.fixture
def long(client):
    client.deliver(*(turn(number) for number in range(60)))
    return client


def read(client, **params):
    answer = client.get("/conversations/s-1", params=params)
    assert answer.status_code == 200
    return answer.json()


def test_the_newest_messages_come_first_and_oldest_first_within(long):
    page = read(long)
    assert len(page["history"]) == 20
    assert [one["content"] for one in page["history"]][:2] == ["question 50", "answer 50"]
    assert page["history"][-1]["content"] == "answer 59"
    assert [one["role"] for one in page["history"]] == ["user", "assistant"] * 10


def test_going_back_sees_each_message_once(long):
    for limit in (1, 2, 7, 50, 51, 100):
        seen, page = [], read(long, limit=limit)
        while True:
            assert 0 < len(page["history"]) <= limit
            seen = [one["content"] for one in page["history"]] + seen
            if "next" not in page:
                break
            page = read(long, limit=limit, before=page["next"])
        assert seen == [f"{side} {number}" for number in range(60) for side in ("question", "answer")], limit


def test_a_page_stays_the_same_while_turns_are_added(long):
    before = read(long)["next"]
    older = read(long, before=before)
    long.deliver(*(turn(number) for number in range(60, 90)))
    assert read(long, before=before) == older


def test_before_the_beginning_there_is_nothing(long):
    assert read(long, before="0") == {"session_id": "s-1", "history": []}


def test_the_newest_messages_come_with_the_memory_in_one_call(long):
    for limit in (1, 2, 7, 20, 51, 100):
        recalled = long.get("/memories/ada", params={"session_id": "s-1", "limit": limit}).json()
        assert recalled.pop("history") == read(long, limit=limit)["history"], limit
        assert recalled.keys() == long.get("/memories/ada").json().keys()


@pytest.mark.parametrize("session", ["s-2", "unknown"])
def test_what_is_not_the_users_does_not_come_with_the_memory(long, session):
    long.deliver(turn(1, user_id="grace", session_id="s-2"))
    answer = long.get("/memories/ada", params={"session_id": session})
    assert (answer.status_code, answer.json()["history"]) == (200, [])
    assert long.get("/memories/nobody", params={"session_id": "s-1"}).status_code == 404
    answer = long.get("/conversations/unknown")
    assert (answer.status_code, "session_id" in answer.json()["detail"]) == (404, True)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        *((f"/conversations/{bad}", "session_id") for bad in ("a:b", "a" * 65, "a%20b")),
        *((f"/conversations/s-1?limit={bad}", "limit") for bad in ("0", "101", "many")),
        *((f"/conversations/s-1?before={bad}", "before") for bad in ("x", "-1")),
        ("/dead-letters?limit=0", "limit"),
        (f"/dead-letters?before={'9' * 16}", "before"),
    ],
)
def test_a_bad_question_is_422_and_names_the_field(client, path, field):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
