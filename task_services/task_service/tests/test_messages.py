"""Events and calls: what task-api publishes, receives and passes on."""

import json

import grpc
import pytest
from conftest import SERVICE, problem_of

from kit.fakes.contract import check_openapi

DATA = {"event_type": "task.created", "task_id": "17", "title": "Buy milk"}
EVENT = {"specversion": "1.0", "id": "e1", "source": "task-api", "type": "task.created", "data": DATA}
ROUTES = ["/events/task-created", "/events/task"]


@pytest.fixture
def notify(sidecar):
    """Run a notification-service that accepts everything."""
    sidecar.apps["notification-service"] = lambda call: (200, {"id": "n1"})
    return sidecar


@pytest.mark.parametrize("route", ROUTES)
def test_an_event_is_passed_on_with_its_id(client, notify, route):
    assert client.post(route, json=EVENT).json() == {"status": "SUCCESS"}
    (call,) = notify.invoked
    assert (call.app_id, call.verb, call.path) == ("notification-service", "POST", "/notify")
    assert call.body == {"event_id": "e1", "source": "task-api", **DATA}


@pytest.mark.parametrize("data", [None, "x", {}, {**DATA, "title": ""}, {**DATA, "task_id": "a||b"}])
def test_an_event_that_can_never_be_processed_is_dropped(client, notify, data):
    assert client.post("/events/task", json={**EVENT, "data": data}).json() == {"status": "DROP"}
    assert notify.invoked == []


def test_an_event_that_is_refused_is_dropped(client, sidecar):
    sidecar.apps["notification-service"] = lambda call: (422, {"detail": "title: too long"})
    assert client.post("/events/task", json=EVENT).json() == {"status": "DROP"}


@pytest.mark.parametrize("answer", [(500, {"detail": "no"}), (503, {"detail": "no"}), (200, b"")])
def test_an_event_is_delivered_again_while_nobody_can_be_notified(client, sidecar, answer):
    sidecar.apps["notification-service"] = lambda call: answer
    assert problem_of(client.post("/events/task", json=EVENT), 503 if answer[0] == 503 else 502)


def test_faults_and_the_token_are_for_events_only(serve, sidecar, notify):
    guarded = serve(app_api_token="s3cret", faults_enabled=True)
    assert guarded.post("/events/task", json=EVENT).status_code == 401
    own = {"dapr-api-token": "s3cret"}
    guarded.put("/faults", json={"fail_next": 1}, headers=own)
    assert guarded.post("/tasks", json={"title": "x"}).status_code == 201
    assert [guarded.post("/events/task", json=EVENT, headers=own).status_code for _ in range(2)] == [500, 200]


def test_an_announcement_has_an_envelope_with_metadata(client, sidecar):
    answer = client.post("/announcements", json={"message": "Lunch", "expires_in": 60})
    assert answer.status_code == 202
    (event,) = sidecar.published
    assert (event.pubsub, event.topic) == ("taskpubsub", "announcements")
    assert event.event["id"] == answer.json()["id"]
    assert (event.event["type"], event.event["ttlInSeconds"]) == ("task.announced", "60")
    assert event.data == {"message": "Lunch", "user_id": "everyone"}


def test_a_raw_announcement_brings_its_own_envelope(client, sidecar):
    answer = client.post("/announcements", json={"message": "Lunch", "raw": True}).json()
    (event,) = sidecar.published
    assert event.event["rawPayload"] == "true"
    assert event.data["id"] == answer["id"]
    assert event.data["data"] == {"message": "Lunch", "user_id": "everyone"}


def test_of_many_announcements_the_failed_ones_are_named(client, sidecar):
    sidecar.refuse = lambda method, key: (grpc.StatusCode.INTERNAL, "no") if '"m1"' in key else None
    body = {"announcements": [{"message": f"m{number}"} for number in range(3)]}
    results = client.post("/announcements/bulk", json=body).json()["results"]
    assert [one["published"] for one in results] == [True, False, True]
    assert sidecar.events("announcements") == [{"message": f"m{n}", "user_id": "everyone"} for n in (0, 2)]
    assert [one.event["id"] for one in sidecar.published] == [results[0]["id"], results[2]["id"]]


def test_if_none_was_published_the_component_is_named(client, sidecar):
    sidecar.refuse = lambda *_: (grpc.StatusCode.INTERNAL, "dial tcp 127.0.0.1:6379")
    body = {"announcements": [{"message": "x"}]}
    for path, content in (("/announcements", body["announcements"][0]), ("/announcements/bulk", body)):
        answer = problem_of(client.post(path, json=content), 503)
        assert answer["dependency"] == "taskpubsub"
        assert "127.0.0.1" not in json.dumps(answer)


def test_the_contract_and_the_welcome_are_what_is_served(client):
    check_openapi(SERVICE)
    assert "/tasks" in client.get("/").json()["message"]
