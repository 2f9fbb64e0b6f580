"""The contract files say what the code does."""

import jsonschema
import pytest
import yaml
from conftest import SERVICE
from pydantic import ValidationError

from kit.fakes.contract import check_openapi
from models import Announcement, DueTask, Reminder, TaskEvent

ASYNCAPI = yaml.safe_load((SERVICE / "asyncapi.yaml").read_text())
SCHEMAS = ASYNCAPI["components"]["schemas"]
TASK_EVENTS = yaml.safe_load((SERVICE / "contracts/task.asyncapi.yaml").read_text())["components"]
MODELS = {"Announcement": Announcement, "Reminder": Reminder, "DueTask": DueTask}
DUE = {"task_id": "7", "title": "x", "due_at": "2026-01-02T03:04:05Z"}


def test_openapi_json_is_what_the_service_serves():
    check_openapi(SERVICE)


@pytest.mark.parametrize("name", MODELS)
def test_a_topic_has_the_fields_of_the_code(name):
    assert set(SCHEMAS[name]["properties"]) == set(MODELS[name].model_fields)


def test_the_examples_of_the_topics_are_events():
    for message in ASYNCAPI["components"]["messages"].values():
        name = message["payload"]["$ref"].rsplit("/", 1)[1]
        for example in message["examples"]:
            jsonschema.validate(example["payload"], SCHEMAS[name])
            MODELS[name].model_validate(example["payload"])


def test_an_event_of_task_api_is_taken():
    assert set(TASK_EVENTS["schemas"]["TaskEvent"]["required"]) <= set(TaskEvent.model_fields)
    for message in TASK_EVENTS["messages"].values():
        for example in message["examples"]:
            TaskEvent.model_validate(example["payload"]["data"])


@pytest.mark.parametrize(
    ("name", "event", "good"),
    [
        ("Announcement", {"message": "Hi"}, True),
        ("Announcement", {"message": "Hi", "user_id": "a b"}, False),
        ("Announcement", {"message": ""}, False),
        ("Announcement", {"message": "x" * 1001}, False),
        ("Announcement", {"message": 5}, False),
        ("Reminder", {"task_id": "7", "title": "x", "more": 1}, True),
        ("Reminder", {"task_id": "", "title": "x"}, False),
        ("Reminder", {"task_id": "7", "title": "x" * 501}, False),
        ("DueTask", DUE, True),
        ("DueTask", {**DUE, "due_at": None}, False),
        ("DueTask", {"task_id": "7", "title": "x"}, False),
    ],
)
def test_contract_and_code_judge_alike(name, event, good):
    assert jsonschema.Draft202012Validator(SCHEMAS[name]).is_valid(event) is good
    try:
        MODELS[name].model_validate(event)
    except ValidationError:
        assert not good
    else:
        assert good
