"""Memories are created, read and changed."""

import pytest
from conftest import hash_of, turn

JUNAID = {"name": "Junaid", "preferred_style": "formal", "user_summary": "Junaid learns Dapr."}


def initialize(client, user_id="junaid", **fields):
    return client.post(f"/memories/{user_id}/initialize", json=JUNAID | fields)


def test_a_memory_is_made_once_and_read(client):
    made = initialize(client)
    assert made.status_code == 201
    assert made.json() == {"user_id": "junaid", **JUNAID, "updated_at": made.json()["updated_at"]}
    again = initialize(client, name="Somebody Else")
    assert (again.status_code, again.json()) == (200, made.json())
    assert client.get("/memories/junaid").json() == made.json()


def test_a_user_known_from_a_conversation_only_is_filled_in(client):
    client.deliver(turn(1, user_id="junaid"))
    known = client.get("/memories/junaid").json()
    assert (known["name"], known["preferred_style"]) == ("junaid", "casual")
    made = initialize(client)
    assert (made.status_code, made.json()["name"], made.json()["preferred_style"]) == (201, "Junaid", "formal")


def test_an_unknown_user_is_404(client):
    answer = client.get("/memories/nobody")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "user_id" in answer.json()["detail"]
    assert client.patch("/memories/nobody", json={"name": "X"}).status_code == 404
    assert client.sidecar.keys("") == []


@pytest.mark.parametrize("field", ["name", "preferred_style", "user_summary"])
def test_one_field_is_changed_and_the_others_stay(client, field):
    before = initialize(client).json()
    after = client.patch("/memories/junaid", json={field: "new"}).json()
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after == before | {field: "new"}
    assert client.get("/memories/junaid").json()[field] == "new"


@pytest.mark.parametrize("user_id", ["a", "a" * 128, "ada@example.org", "A~b_c-d.9"])
def test_a_users_id_may_be(client, user_id):
    assert initialize(client, user_id).status_code == 201
    assert f"memory:{hash_of(user_id)}" in client.sidecar.keys("")


@pytest.mark.parametrize(
    "user_id", ["a" * 129, "a%20b", "a:b", "a%0A", "ü", "a;DROP TABLE", "a%7C%7Cb", "%24%7Bx%7D", "a*"]
)
@pytest.mark.parametrize("call", ["get", "patch", "delete", "initialize"])
def test_an_id_of_another_form_is_422_and_names_the_field(client, user_id, call):
    path = f"/memories/{user_id}"
    if call == "initialize":
        answer = client.post(f"{path}/initialize", json=JUNAID)
    else:
        answer = client.request(call.upper(), path, json={"name": "X"} if call == "patch" else None)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "user_id"
    assert client.sidecar.keys("") == []


BAD_FIELDS = {
    "name": ["", "n" * 101, 7, ["x"]],
    "preferred_style": ["", "s" * 51],
    "user_summary": ["s" * 2001, {}],
    "admin": [True],
}
BAD = [*(({name: bad}, name) for name, values in BAD_FIELDS.items() for bad in values), ("text", "body"), ([], "body")]


@pytest.mark.parametrize(("body", "field"), BAD, ids=str)
def test_a_bad_body_is_422_and_names_the_field(client, body, field):
    initialize(client)
    before = client.get("/memories/junaid").json()
    full = JUNAID | body if isinstance(body, dict) else body
    for answer in (
        client.post("/memories/other/initialize", json=full),
        client.patch("/memories/junaid", json=body),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field
    assert client.get("/memories/junaid").json() == before
    assert client.get("/memories/other").status_code == 404
    assert client.post("/memories/other/initialize", json={}).json()["errors"][0]["field"] == "name"


def test_a_page_of_the_frontend_may_call(client):
    asked = {"origin": "http://localhost:3000", "access-control-request-method": "PATCH"}
    answer = client.options("/memories/ada", headers=asked)
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    answer = client.options("/memories/ada", headers=asked | {"origin": "http://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


def test_null_is_the_same_as_not_given(client):
    draft = {"name": "Ada", "preferred_style": None, "user_summary": None}
    answer = client.post("/memories/ada/initialize", json=draft)
    assert (answer.status_code, answer.json()["preferred_style"], answer.json()["user_summary"]) == (201, "casual", "")
