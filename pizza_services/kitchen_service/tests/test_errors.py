"""Every error is a problem (RFC 9457) that names the field and gives nothing away; and settings that cannot work."""

import pytest
from pydantic import ValidationError
from story import ACTION, ORDER, UNDO, UNDOINGS

from settings import Settings

BAD_IDS = [
    "",
    "a" * 65,
    "a||b",
    "a:b",
    "a/b",
    "../x",
    "a b",
    "ä",
    "1\n",
    "$(id)",
    "'; --",
    "\x00",
    "{{7*7}}",
    7,
    None,
    [],
]
BAD_TASKS = [
    *[({"order_id": bad}, "order_id") for bad in BAD_IDS],
    *[({"run": bad}, "run") for bad in ("", "a" * 33, "a-b", "1\n", 1, None)],
    *[({"attempt": bad}, "attempt") for bad in (0, -1, 1001, "1", 1.5, True, None)],
]
BAD_ORDERS = [
    *BAD_TASKS,
    *[({"pizza_type": bad}, "pizza_type") for bad in ("", "a" * 51, "a\x00b", "a\nb", 1, None, {})],
    *[({"size": bad}, "size") for bad in ("huge", "", "LARGE", None, 1)],
    *[({"customer": bad}, "customer") for bad in (None, "Ada", [], 1)],
    *[({"customer": {**ORDER["customer"], "name": bad}}, "customer.name") for bad in ("", "a" * 101, "a\x1bb", None)],
    *[({"customer": {**ORDER["customer"], "address": bad}}, "customer.address") for bad in ("", "a" * 201, 5)],
    *[({"customer": {**ORDER["customer"], "phone": bad}}, "customer.phone") for bad in ("", "12", "1" * 31, "call me")],
]


def problem_of(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert "Traceback" not in answer.text
    return answer.json()


@pytest.mark.parametrize(("bad", "field"), BAD_ORDERS)
def test_a_bad_order_is_refused_by_field_and_nothing_is_done(client, sidecar, bad, field):
    answer = client.post(f"/{ACTION}", json={**ORDER, **bad})
    assert [error["field"] for error in problem_of(answer, 422)["errors"]] == [field]
    assert sidecar.calls == []


@pytest.mark.parametrize("route", UNDOINGS)
@pytest.mark.parametrize(("bad", "field"), BAD_TASKS)
def test_a_bad_undoing_is_refused_by_field_and_nothing_is_done(client, sidecar, route, bad, field):
    answer = client.post(f"/{route}", json={**UNDO, **bad})
    assert [error["field"] for error in problem_of(answer, 422)["errors"]] == [field]
    assert sidecar.calls == []


@pytest.mark.parametrize("field", ORDER)
def test_a_missing_field_is_named(client, field):
    answer = client.post(f"/{ACTION}", json={name: value for name, value in ORDER.items() if name != field})
    assert [error["field"] for error in problem_of(answer, 422)["errors"]] == [field]


@pytest.mark.parametrize("name", ["漢字 ✓", "Jürgen O'Neil; DROP TABLE", "<b>", "x" * 100, "✓" * 100])
def test_a_name_may_be_any_text(client, name):
    order = {**ORDER, "customer": {**ORDER["customer"], "name": name}}
    assert client.post(f"/{ACTION}", json=order).status_code == 200


def test_the_longest_ids_are_let_in(client):
    order = {**ORDER, "order_id": "A-_9" * 16, "run": "r" * 32, "attempt": 1000}
    assert client.post(f"/{ACTION}", json=order).status_code == 200


@pytest.mark.parametrize("order_id", ["a" * 65, "a%7C%7Cb", "ä", "a%20b"])
def test_a_bad_id_in_a_path_is_refused_by_field(client, order_id):
    assert problem_of(client.get(f"/ledger/{order_id}"), 422)["errors"][0]["field"] == "order_id"


def test_a_customer_of_a_megabyte_is_too_large(client):
    order = {**ORDER, "customer": {**ORDER["customer"], "name": "x" * 1_000_000}}
    problem_of(client.post(f"/{ACTION}", json=order), 413)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe"])
def test_a_body_that_is_no_order(client, body):
    problem_of(client.post(f"/{ACTION}", content=body, headers={"content-type": "application/json"}), 422)


def test_no_such_route_and_wrong_method(client):
    problem_of(client.get("/nothing"), 404)
    assert problem_of(client.get(f"/{ACTION}"), 405)["title"] == "Method Not Allowed"


def test_what_nobody_foresaw_is_a_500_without_details(serve):
    client = serve()

    @client.app.get("/broken")
    async def broken():
        raise ZeroDivisionError("the secret is 42")

    assert "42" not in client.get("/broken").text
    problem_of(client.get("/broken"), 500)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("app_port", 0),
        ("dapr_grpc_port", "x"),
        ("step_seconds", -1),
        ("step_seconds", 61),
        ("store_timeout_seconds", 0),
        ("orders_per_page", 0),
        ("log_level", "LOUD"),
    ],
)
def test_a_setting_that_cannot_work_is_named(name, value):
    with pytest.raises(ValidationError, match=name):
        Settings(_env_file=None, **{name: value})


def test_an_empty_variable_is_an_unset_one_and_tokens_do_not_show(monkeypatch):
    monkeypatch.setenv("DAPR_API_TOKEN", "")
    assert Settings(_env_file=None).dapr_api_token is None
    assert "s3cret" not in repr(Settings(_env_file=None, app_api_token="s3cret", dapr_api_token="s3cret"))
