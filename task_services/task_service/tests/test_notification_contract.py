"""What task-api sends to notification-service has the form that its contracts promise to take."""

import json

import jsonschema
import pytest
import yaml
from conftest import SERVICE

CONTRACTS = SERVICE / "contracts"
CALLS = json.loads((CONTRACTS / "notification.openapi.json").read_text())
TOPICS = yaml.safe_load((CONTRACTS / "notification.asyncapi.yaml").read_text())
DATA = {"event_type": "task.created", "task_id": "17", "title": "Buy milk"}


def test_a_call_of_notify(client, sidecar):
    sidecar.apps["notification-service"] = lambda call: (200, {"status": "notified", "id": "1"})
    client.post("/events/task", json={"specversion": "1.0", "id": "e1", "type": "x", "data": DATA})
    (call,) = sidecar.invoked
    assert call.verb.lower() in CALLS["paths"][call.path]
    jsonschema.validate(call.body, CALLS["components"]["schemas"]["TaskNotice"])


@pytest.mark.parametrize(("path", "body"), [("", {"message": "Hi"}), ("/bulk", {"announcements": [{"message": "Hi"}]})])
def test_an_announcement(client, sidecar, path, body):
    client.post(f"/announcements{path}", json=body)
    (event,) = sidecar.published
    assert event.topic in TOPICS["channels"]
    jsonschema.validate(event.data, TOPICS["components"]["schemas"]["Announcement"])
