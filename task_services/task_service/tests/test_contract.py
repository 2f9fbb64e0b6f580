"""The contract of the topic task-events says what the code does."""

import jsonschema
import pytest
import yaml
from conftest import SERVICE
from pydantic import ValidationError

from models import TaskEvent

ASYNCAPI = yaml.safe_load((SERVICE / "asyncapi.yaml").read_text())
SCHEMAS = ASYNCAPI["components"]["schemas"]
GOOD = {"event_type": "task.created", "task_id": "17", "title": "Buy milk"}


def test_what_is_published_has_the_form_of_the_contract(client, sidecar):
    client.post("/tasks", json={"title": "Buy milk"})
    (event,) = sidecar.published
    jsonschema.validate(event.data, SCHEMAS["TaskEvent"])
    assert event.event["type"] == SCHEMAS["TaskCreatedEvent"]["properties"]["type"]["const"]
    assert list(ASYNCAPI["channels"]) == ["task-events"]
    for example in ASYNCAPI["components"]["messages"]["taskCreated"]["examples"]:
        jsonschema.validate(example["payload"]["data"], SCHEMAS["TaskEvent"])


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"event_type": "task.renamed"}, True),
        ({"more": 1}, True),
        ({"title": ""}, False),
        ({"title": "x" * 201}, False),
        ({"title": "a\nb"}, False),
        ({"title": 1}, False),
        ({"task_id": "a||b"}, False),
        ({"event_type": ""}, False),
        ({"event_type": None}, False),
    ],
)
def test_contract_and_code_judge_alike(change, good):
    event = GOOD | change
    assert jsonschema.Draft202012Validator(SCHEMAS["TaskEvent"]).is_valid(event) is good
    try:
        TaskEvent.model_validate(event)
    except ValidationError:
        assert not good
    else:
        assert good
