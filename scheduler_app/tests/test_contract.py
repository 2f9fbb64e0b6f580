"""The contract files say what the code does."""

import jsonschema
import pytest
import yaml
from conftest import SERVICE
from pydantic import ValidationError

from kit.fakes.contract import check_openapi
from models import JobEvent

ASYNCAPI = yaml.safe_load((SERVICE / "asyncapi.yaml").read_text())
PAYLOAD = ASYNCAPI["components"]["schemas"]["JobEvent"]


def test_openapi_json_is_what_the_service_serves():
    check_openapi(SERVICE)


def test_the_topic_has_the_fields_of_the_code():
    assert list(ASYNCAPI["channels"]) == ["schedule-job"]
    assert set(PAYLOAD["properties"]) == set(JobEvent.model_fields)


def test_the_examples_of_the_topic_are_events():
    for example in ASYNCAPI["components"]["messages"]["scheduleJob"]["examples"]:
        jsonschema.validate(example["payload"], PAYLOAD)
        JobEvent.model_validate(example["payload"])


@pytest.mark.parametrize(
    ("event", "good"),
    [
        ({"job_name": "a"}, True),
        (
            {"job_name": "a", "schedule": "@every 1s", "repeats": None, "ttl": "5s", "data": [1], "overwrite": True},
            True,
        ),
        ({"job_name": "a", "failure_policy": {"constant": {"interval": "2s", "maxRetries": 0}}}, True),
        ({"job_name": ""}, False),
        ({"job_name": ".."}, False),
        ({"job_name": "stream"}, False),
        ({"job_name": "x" * 65}, False),
        ({"job_name": "a", "repeats": 0}, False),
        ({"job_name": "a", "schedule": ""}, False),
        ({"job_name": "a", "due_time": "x" * 65}, False),
        ({"job_name": "a", "overwrite": "yes"}, False),
        ({"job_name": "a", "failure_policy": {"constant": {"interval": "0.1s"}}}, True),
        ({"job_name": "a", "failure_policy": {"constant": {"interval": "1m"}}}, False),
        ({"job_name": "a", "failure_policy": {"constant": {"interval": "00.0999s"}}}, False),
        ({"job_name": "a", "failure_policy": {"drop": {}, "constant": {}}}, False),
        ({"job_name": "a", "more": 1}, False),
    ],
)
def test_contract_and_code_judge_alike(event, good):
    validator = jsonschema.Draft202012Validator(PAYLOAD)
    assert validator.is_valid(event) is good
    try:
        JobEvent.model_validate(event)
    except ValidationError:
        assert not good
    else:
        assert good
