"""The contract files agree with the code, and with chat-service."""

import yaml
from conftest import SERVICE, cloud_event, turn
from jsonschema import Draft202012Validator

from kit.fakes.contract import check_openapi
from kit.fakes.service import app_with
from kit.sidecar.secrets import user_hash
from models import ConversationUpdated, StreamTrimmed

OURS = yaml.safe_load((SERVICE / "asyncapi.yaml").read_text())
CHATS = yaml.safe_load((SERVICE / "contracts" / "chat.asyncapi.yaml").read_text())


def schema(contract, name):
    return Draft202012Validator(contract["components"]["schemas"][name])


def test_openapi_json_is_what_the_service_serves_and_has_fault_switches_only_where_they_exist():
    check_openapi(SERVICE)
    assert "/faults" not in app_with().openapi()["paths"]
    assert "/faults/deliveries/{event_id}" in app_with(faults_enabled=True).openapi()["paths"]


def test_what_is_published_is_what_the_contract_says(client):
    client.deliver(turn(1))
    client.forget("ada")
    client.fire("trim-")
    topics = {each.topic for each in client.sidecar.published}
    assert topics == {channel["address"] for channel in OURS["channels"].values()}
    for each in client.sidecar.published:
        assert each.event["type"] in OURS["channels"][each.topic]["messages"]
        assert "ada" not in str(each.event | {"id": ""})
        schema(OURS, each.event["type"]).validate(each.data)


def test_a_user_id_in_clear_would_break_the_contract():
    example = OURS["components"]["schemas"]["UserForgotten"]["examples"][0]
    assert schema(OURS, "UserForgotten").is_valid(example)
    assert not schema(OURS, "UserForgotten").is_valid(example | {"user_id": "ada"})
    assert not schema(OURS, "UserForgotten").is_valid(example | {"user_hash": "ada"})


def test_chats_events_are_understood(client):
    for example in CHATS["components"]["schemas"]["ConversationUpdated"]["examples"]:
        assert client.deliver(example).json() == {"status": "SUCCESS"}
    for example in CHATS["components"]["schemas"]["StreamTrimmed"]["examples"]:
        marker = cloud_event(example, type=StreamTrimmed.model_fields["event_type"].default)
        for path in ("/events/conversations", "/events/conversations-dead"):
            assert client.post(path, json=marker).json() == {"status": "SUCCESS"}
    assert client.get("/dead-letters").json() == {"dead_letters": []}


def test_events_have_the_same_fields_and_bounds_on_both_sides():
    schema(CHATS, "ConversationUpdated").validate(turn(1))
    theirs = CHATS["components"]["schemas"]["ConversationUpdated"]
    ours = ConversationUpdated.model_json_schema()
    assert sorted(theirs["required"]) == sorted(ours["required"])
    for name, field in theirs["properties"].items():
        bounds = {key: field[key] for key in ("maxLength", "pattern", "format") if key in field}
        assert bounds.items() <= ours["properties"][name].items(), name
        # The bounds of chat may be narrower.
        assert ours["properties"][name].get("minLength", 0) <= field.get("minLength", 0)


def test_a_user_has_the_same_hash_in_both_services():
    expected = "d7143e629738875304bfcc23ae2ae1f87ae7e941f57f0046385b92e422989b02"
    assert user_hash("lab-key", "Junaid") == expected
    assert all(expected in contract["info"]["description"] for contract in (OURS, CHATS))
