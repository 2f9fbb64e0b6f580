"""Every error is a problem (RFC 9457) that says what is wrong and gives nothing away; and settings that cannot work."""

import pytest
from pydantic import ValidationError

from settings import Settings


def problem_of(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    assert answer.json()["status"] == status
    return answer.json()


def test_no_such_route(client):
    assert problem_of(client.get("/nothing"), 404)["title"] == "Not Found"


def test_wrong_method(client):
    answer = client.post("/call-greet/Ada")
    problem_of(answer, 405)
    assert answer.headers["allow"] == "GET"


def test_a_body_that_is_too_large(serve):
    answer = serve(max_body_bytes=100).request("GET", "/", content=b" " * 101)
    assert problem_of(answer, 413)["title"] == "Content Too Large"


def test_what_nobody_foresaw_is_a_500_without_details(serve):
    client = serve()

    @client.app.get("/broken")
    async def broken():
        raise ZeroDivisionError("the secret is 42")

    answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "42" not in answer.text


def test_an_empty_variable_is_an_unset_one(monkeypatch):
    monkeypatch.setenv("DAPR_API_TOKEN", "")
    assert Settings(_env_file=None).dapr_api_token is None


def test_daprs_own_ports_are_the_default():
    settings = Settings(_env_file=None)
    assert (settings.dapr_http_port, settings.dapr_grpc_port) == (3500, 50001)


def test_settings_may_come_from_a_dotenv_file(tmp_path):
    (tmp_path / ".env").write_text("DAPR_HTTP_PORT=3999\n")
    assert Settings(_env_file=tmp_path / ".env").dapr_http_port == 3999


@pytest.mark.parametrize(
    ("name", "value"),
    [("dapr_http_port", 0), ("dapr_http_port", "x"), ("call_timeout_seconds", 0), ("log_level", "LOUD")],
)
def test_a_setting_that_cannot_work_is_named(name, value):
    with pytest.raises(ValidationError, match=name):
        Settings(_env_file=None, **{name: value})


def test_the_time_limit_outlasts_the_retries_it_waits_for():
    # 4 attempts of up to 3 s, and 3 pauses of 5 s between them: myRetryPolicy.
    assert Settings(_env_file=None).call_timeout_seconds > 4 * 3 + 3 * 5
