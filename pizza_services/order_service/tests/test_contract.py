"""openapi.json equals the code, and the events that this service reads are those that pizza-workflow promises."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from story import STORY, deliver, event

from kit.fakes.contract import check_openapi
from models import EVENT, OrderEvent

SERVICE = Path(__file__).parent.parent
PROMISED = yaml.safe_load((SERVICE / "contracts" / "workflow.asyncapi.yaml").read_text())


def test_openapi_json_is_what_the_service_serves():
    check_openapi(SERVICE)


def promised(document):
    """Return the faults of an event by pizza-workflow's contract."""
    schema = {"$ref": "#/components/schemas/OrderStatusChangedEvent", "components": PROMISED["components"]}
    return [fault.message for fault in Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("number", range(1, 8))
def test_the_events_of_these_tests_and_of_the_docs_are_as_promised(number):
    assert promised(event(number)) == []
    assert promised(EVENT) == []


def test_the_contract_refuses_an_event_that_this_service_drops():
    bad = event(1)
    bad["data"]["status"] = "burnt"
    assert promised(bad)


def test_every_status_that_is_promised_is_understood(client):
    schema = PROMISED["components"]["schemas"]["OrderStatusChanged"]
    assert set(STORY) < set(schema["properties"]["status"]["enum"])
    for number, status in enumerate(schema["properties"]["status"]["enum"], 1):
        assert deliver(client, event(number, status, final=False)) == ["SUCCESS"]


def test_every_field_that_is_required_here_is_promised():
    schema = PROMISED["components"]["schemas"]
    of_event = OrderEvent.model_json_schema()
    assert set(of_event["required"]) <= set(schema["OrderStatusChangedEvent"]["required"])
    assert set(of_event["$defs"]["OrderStatusChanged"]["required"]) <= set(schema["OrderStatusChanged"]["required"])
