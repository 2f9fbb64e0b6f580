"""The contract files equal the code, and so does the part of memory's contract that chat relies on."""

import json

import jsonschema
import pytest
import yaml
from conftest import SERVICE, say

from kit.fakes.contract import check_openapi
from kit.sidecar.secrets import user_hash
from main import create_app
from memory import Recalled
from messages import Memory, Said
from settings import Settings

EVENTS = yaml.safe_load((SERVICE / "asyncapi.yaml").read_text())
SCHEMAS = EVENTS["components"]["schemas"]
MEMORY = json.loads((SERVICE / "contracts" / "agent-memory.openapi.json").read_text())
RECALL = MEMORY["paths"]["/memories/{user_id}"]["get"]
MEMORYS_EVENTS = yaml.safe_load((SERVICE / "contracts" / "agent-memory.asyncapi.yaml").read_text())


def test_openapi_json_is_what_the_service_serves():
    check_openapi(SERVICE)


@pytest.mark.parametrize("name", ["ConversationUpdated", "StreamTrimmed"])
def test_the_examples_of_the_events_are_valid(name):
    for example in SCHEMAS[name]["examples"]:
        jsonschema.validate(example, SCHEMAS[name], format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("text", ["Hello", "x" * 4000, "漢字"])
def test_published_events_follow_the_contract(client, sidecar, text):
    say(client, text, session_id="s1")
    client.post("/job/trim-conversations-x", json={"user_hash": "0" * 64, "forgotten_at": "2026-01-01T00:00:00Z"})
    published = {each.data["event_type"]: each for each in sidecar.published}
    assert set(published) == {"ConversationUpdated", "StreamTrimmed"}
    for name, event in published.items():
        assert event.topic == EVENTS["channels"]["conversations"]["address"]
        jsonschema.validate(event.data, SCHEMAS[name], format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("contract", [EVENTS, MEMORYS_EVENTS])
def test_the_hash_in_both_contracts_is_ours(contract):
    assert user_hash("lab-key", "Junaid") in contract["info"]["description"]


def test_ids_are_bounded_alike_in_requests_and_events():
    schemas = create_app(Settings(_env_file=None)).openapi()["components"]["schemas"]
    posted, published = schemas["MessageMetadata"]["properties"], SCHEMAS["ConversationUpdated"]["properties"]
    for name in ("session_id", "message_id"):
        (bounds, _) = posted[name]["anyOf"]
        assert {key: bounds[key] for key in ("minLength", "maxLength", "pattern")} == {
            key: published[name][key] for key in ("minLength", "maxLength", "pattern")
        }
    assert schemas["ChatMessage"]["properties"]["text"]["maxLength"] == published["user_message"]["maxLength"]


def test_memory_promises_the_answer_that_is_read():
    answers = RECALL["responses"]
    assert "404" in answers
    assert answers["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Recalled"}
    schema = MEMORY["components"]["schemas"]["Recalled"]
    assert set(Memory.model_fields) <= set(schema["required"])
    assert set(Recalled.model_fields) <= set(schema["properties"])
    for example in schema["examples"]:
        Recalled.model_validate(example)
    assert set(Said.model_fields) <= set(MEMORY["components"]["schemas"]["Message"]["required"])
    asked = {one["name"]: one["schema"] for one in RECALL["parameters"]}
    assert "session_id" in asked
    assert asked["limit"]["maximum"] >= Settings.model_json_schema()["properties"]["history_messages"]["maximum"]


@pytest.mark.parametrize("name", ["UserForgotten", "StreamTrimmed"])
def test_the_events_of_memory_are_understood(client, name):
    for example in MEMORYS_EVENTS["components"]["schemas"][name]["examples"]:
        event = {"specversion": "1.0", "type": name, "id": "e1", "source": "memory", "data": example}
        assert client.post("/events/user-forgotten", json=event).json() == {"status": "SUCCESS"}
