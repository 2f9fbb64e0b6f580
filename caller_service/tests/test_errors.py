"""Every error is a problem with a request id, and a setting that cannot work is named."""

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


@pytest.mark.parametrize(
    ("name", "value"),
    [("call_timeout_seconds", 0), ("retry_after_seconds", -1)],
)
def test_a_setting_that_cannot_work_is_named(name, value):
    with pytest.raises(ValidationError, match=name):
        Settings(_env_file=None, **{name: value})


def test_the_time_limit_outlasts_the_retries_it_waits_for():
    # 4 attempts of up to 3 s, and 3 pauses of 5 s between them: myRetryPolicy.
    assert Settings(_env_file=None).call_timeout_seconds > 4 * 3 + 3 * 5
