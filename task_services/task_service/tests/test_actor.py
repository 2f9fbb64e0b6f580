"""TaskActor without Dapr: its routes, beside a client that keeps the actor's state, reminder and timer in memory."""

import json
from datetime import datetime

import grpc
import jsonschema
import pytest
import yaml
from conftest import SERVICE, problem_of
from dapr.actor import ActorRuntime
from dapr.clients.base import DaprActorClientBase

SCHEMAS = yaml.safe_load((SERVICE / "contracts/notification.asyncapi.yaml").read_text())["components"]["schemas"]
DUE, LATER = "2030-12-24T18:00:00Z", "2030-12-31T18:00:00Z"
FAILURE = {"constant": {"interval": "0h0m2s0ms0μs", "maxRetries": 1800}}


class Memory(DaprActorClientBase):
    """The sidecar of the actors, in memory."""

    def __init__(self):
        self.state, self.set, self.is_down = {}, {}, False

    async def invoke_method(self, *_):
        raise NotImplementedError

    async def get_state(self, actor_type, actor_id, name):
        return self.state.get((actor_id, name), b"")

    async def save_state_transactionally(self, actor_type, actor_id, data):
        if self.is_down:
            raise ConnectionError
        for change in json.loads(data):
            key = actor_id, change["request"]["key"]
            if change["operation"] == "upsert":
                self.state[key] = json.dumps(change["request"]["value"]).encode()
            else:
                self.state.pop(key, None)

    async def register_reminder(self, actor_type, actor_id, name, data):
        self.set[actor_id, name] = json.loads(data)

    register_timer = register_reminder

    async def unregister_reminder(self, actor_type, actor_id, name):
        self.set.pop((actor_id, name), None)

    unregister_timer = unregister_reminder


@pytest.fixture
def actors(client, monkeypatch):
    """Put a memory in place of the service's client for actors."""
    memory, manager = Memory(), ActorRuntime._actor_managers["TaskActor"]
    monkeypatch.setattr(manager._runtime_ctx, "_dapr_client", memory)
    monkeypatch.setattr(manager._runtime_ctx.state_provider, "_state_client", memory)
    return memory


def call(client, task, method, body=None, status=200):
    """Call a task's actor as Dapr does, and return its answer."""
    answer = client.put(f"/actors/TaskActor/{task['id']}/method/{method}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def fire(client, task, reminder, status=200):
    """Fire a reminder as Dapr does."""
    call(client, task, "remind/reminder", {"data": reminder["data"], "dueTime": "", "period": ""}, status)


def test_a_reminder_fires_once_with_one_event_id(client, actors, sidecar, task):
    assert call(client, task, "remind", DUE) == {"due_at": DUE, "status": "scheduled"}
    (reminder,) = actors.set.values()
    assert reminder["failurePolicy"] == FAILURE
    for _ in range(2):
        fire(client, task, reminder)
    assert call(client, task, "get_reminder") == {"due_at": DUE, "status": "fired"}
    (event,) = [one for one in sidecar.published if one.topic == "reminders"]
    at = datetime.fromisoformat(DUE).isoformat()
    assert event.data == {"task_id": task["id"], "title": "Buy milk", "due_at": at}
    jsonschema.validate(event.data, SCHEMAS["DueTask"])
    assert (event.event["id"], event.event["type"]) == (f"reminders-{task['id']}-{at}", "task.due")


def test_a_reminder_whose_end_was_not_saved_publishes_the_same_id_again(client, actors, sidecar, task):
    call(client, task, "remind", DUE)
    (reminder,) = actors.set.values()
    actors.is_down = True
    fire(client, task, reminder, 500)
    actors.is_down = False
    # Another replica has the actor now.
    client.delete(f"/actors/TaskActor/{task['id']}")
    fire(client, task, reminder)
    assert len({one.event["id"] for one in sidecar.published if one.topic == "reminders"}) == 1
    assert call(client, task, "get_reminder")["status"] == "fired"


def test_a_reminder_that_cannot_be_published_stays_scheduled(client, actors, sidecar, task):
    call(client, task, "remind", DUE)
    sidecar.refuse = lambda method, _: (grpc.StatusCode.INTERNAL, "no") if method == "PublishEvent" else None
    fire(client, task, *actors.set.values(), 500)
    assert call(client, task, "get_reminder")["status"] == "scheduled"


def test_a_reminder_that_was_moved_or_deleted_does_not_fire(client, actors, sidecar, task):
    call(client, task, "remind", DUE)
    (reminder,) = actors.set.values()
    call(client, task, "remind", LATER)
    fire(client, task, reminder)
    assert call(client, task, "get_reminder") == {"due_at": LATER, "status": "scheduled"}
    assert call(client, task, "forget") is True
    assert call(client, task, "forget") is False
    fire(client, task, reminder)
    assert actors.set == {}
    assert sidecar.events("reminders") == []


def test_a_snooze_ends_with_an_event_and_can_be_ended(client, actors, sidecar, task):
    call(client, task, "snooze", DUE)
    call(client, task, "timer/snooze", {"callback": "on_snooze_over", "data": None})
    (data,) = sidecar.events("snoozes")
    jsonschema.validate(data, SCHEMAS["Reminder"])
    assert data["title"] == "Buy milk"
    call(client, task, "wake")
    assert actors.set == {}


@pytest.mark.parametrize("change", [{"status": "done"}, None])
def test_a_task_that_is_done_or_gone_is_quiet(client, actors, sidecar, task, change):
    call(client, task, "remind", DUE)
    path, version = f"/tasks/{task['id']}", {"if-match": client.get(f"/tasks/{task['id']}").headers["etag"]}
    if change:
        client.patch(path, json=change, headers=version)
    else:
        client.delete(path, headers=version)
    fire(client, task, *actors.set.values())
    assert sidecar.events("reminders") == []


@pytest.mark.parametrize("route", ["GET reminder", "DELETE reminder", "DELETE snooze"])
def test_no_actor_is_started_for_an_id_without_a_task(client, route):
    method, name = route.split()
    assert problem_of(client.request(method, f"/tasks/none/{name}"), 404)["detail"] == "Task not found"


@pytest.mark.parametrize("due_at", ["2020-01-01T00:00:00Z", "2030-01-01T00:00:00", "2100-01-01T00:00:00Z", None])
def test_a_time_that_cannot_be_due_is_refused(client, task, due_at):
    answer = client.put(f"/tasks/{task['id']}/reminder", json={"due_at": due_at})
    assert "due_at" in problem_of(answer, 422)["detail"]


def test_a_sidecar_that_is_lost_in_a_call_is_named(client, task):
    # The stand-in serves no actors, and breaks the connection off.
    assert problem_of(client.get(f"/tasks/{task['id']}/reminder"), 503)["dependency"] == "Dapr sidecar"


def test_only_the_sidecar_may_call_actors_and_anybody_may_probe(serve):
    guarded = serve(app_api_token="s3cret")
    problem_of(guarded.put("/actors/TaskActor/1/method/get_reminder"), 401)
    problem_of(guarded.get("/dapr/config"), 401)
    config = guarded.get("/dapr/config", headers={"dapr-api-token": "s3cret"}).json()
    assert config["entities"] == ["TaskActor"]
    assert guarded.get("/healthz").json() == {"status": "ok"}
