"""Fields of a message that may be left out, and fields that no message has."""

import pytest
from conftest import say


@pytest.mark.parametrize("left_out", [{}, {"metadata": None, "tags": None}, {"metadata": {"session_id": None}}])
def test_null_is_the_same_as_not_given(client, left_out):
    answer = client.post("/chat/", json={"user_id": "Junaid", "text": "Hello", **left_out})
    assert answer.status_code == 200
    assert (answer.json()["metadata"]["tags"], len(answer.json()["metadata"]["session_id"])) == ([], 32)


@pytest.mark.parametrize(
    ("sent", "shown"), [("2026-03-01T09:30:00", "2026-03-01T09:30:00Z"), ("2026-03-01T09:30:00+02:00", None)]
)
def test_a_time_without_an_offset_is_utc(client, sent, shown):
    answer = say(client, timestamp=sent)
    assert answer.json()["metadata"]["timestamp"] == (shown or sent)


@pytest.mark.parametrize(
    ("body", "field"), [({"mood": 1}, "mood"), ({"metadata": {"mesage_id": "m"}}, "metadata.mesage_id")]
)
def test_an_unknown_field_is_named(client, body, field):
    answer = client.post("/chat/", json={"user_id": "Junaid", "text": "Hello", **body})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])
