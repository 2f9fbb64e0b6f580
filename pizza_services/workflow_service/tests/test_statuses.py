"""The statuses that are published: each once by its id, in the form of asyncapi.yaml."""

import asyncio

import jsonschema
import pytest
import yaml
from conftest import PIZZA, SERVICE

from kit.fakes.waiting import eventually
from messages import StatusChange, StatusEvent
from records.status_events import StatusEvents
from settings import Settings

ASYNCAPI = yaml.safe_load((SERVICE / "asyncapi.yaml").read_text())
EVENT = {"$ref": "#/components/schemas/OrderStatusChangedEvent", "components": ASYNCAPI["components"]}


@pytest.mark.parametrize("failures", [0, 3])
def test_every_status_is_published_before_the_workflow_ends(ada, sidecar, failures):
    sidecar.failing["PublishEvent"] = failures
    state, events = ada.be_delivered(), sidecar.events()
    assert "error" not in state["result"]
    assert [(data["status"], data["at"]) for data in events] == [
        (one["status"], one["at"]) for one in state["timeline"]
    ]
    assert [data["sequence"] for data in events] == list(range(1, 8))
    assert [data["final"] for data in events] == [False] * 6 + [True]
    # It has nothing of the customer.
    assert [data.get("order") for data in events] == [PIZZA] + [None] * 6
    # An event that is published again has the same id.
    run = sidecar.claim["run"]
    assert {event["id"] for event in sidecar.published()} == {
        f"pizza-order-123-{run}-{number}" for number in range(1, 8)
    }
    for event in sidecar.published():
        jsonschema.validate(event, EVENT, format_checker=jsonschema.FormatChecker())


def test_a_status_that_cannot_be_published_does_not_hold_up_the_pizza(serve, ada, sidecar):
    sidecar.failing["PublishEvent"] = 1_000
    ada.client = serve(rules={"publish_status": {"attempts": 2, "first_seconds": 0.01}})
    result = ada.be_delivered()["result"]
    assert (result["final_status"], result["error"]) == ("delivered", "7 statuses could not be published")


def test_many_slow_statuses_have_one_time_limit(monkeypatch):
    async def slow(*_, **__):
        await asyncio.sleep(0.05)

    events = StatusEvents(Settings(_env_file=None, time_limits={"publish_status": 0.5}), None)
    monkeypatch.setattr(events._publisher, "publish", slow)
    change = StatusChange(
        order_id="123", run="1", sequence=1, status="cooking", step="cook_pizza", attempt=1, at="2026-01-02T03:04:05Z"
    )
    many = [StatusEvent(event_id=str(number), change=change) for number in range(100)]
    left = asyncio.run(events.publish(many))
    assert 0 < len(left) < 100
    assert left == many[-len(left) :]


@pytest.mark.parametrize("held", ["order", "cook", "deliver"])
def test_a_step_that_a_cancellation_overtakes_publishes_nothing_late(ada, sidecar, held):
    ada.order_and_hold(held)
    ada.cancel()
    ada.until_ended()
    sidecar.peers.release()
    eventually(sidecar.engine.is_idle)
    assert [data["status"] for data in sidecar.events()] == ada.statuses()


def test_a_pizza_has_waited_also_if_a_cancellation_overtakes_the_step_that_publishes_it(ada, sidecar):
    ada.order_and_hold("cook")
    eventually(lambda: len(sidecar.events()) == 2)
    sidecar.publishes.clear()
    sidecar.peers.release()
    eventually(lambda: ada.state()["step"] == "validate_pizza")
    ada.cancel()
    eventually(lambda: ada.state()["step"] == "discard_pizza")
    sidecar.publishes.set()
    ada.until_ended()
    eventually(sidecar.engine.is_idle)
    assert ada.statuses() == ["confirmed", "cooking", "cooked", "pending_validation", "cancelled"]
    assert [data["status"] for data in sidecar.events()] == ada.statuses()


def test_a_stopped_workflows_last_statuses_are_published_by_the_one_that_compensates_it(ada, sidecar):
    sidecar.engine.other_apps.clear()
    ada.order()
    # No activity has published this one yet.
    eventually(lambda: ada.state()["step"] == "quality_check")
    assert sidecar.events()[-1]["status"] == "cooking"
    ada.cancel(force=True)
    ada.until_ended()
    assert [data["status"] for data in sidecar.events()] == ada.statuses()
    assert ada.statuses() == ["confirmed", "cooking", "cooked", "cancelled"]


def test_statuses_are_published_while_the_next_step_is_done(ada, sidecar):
    ada.order_and_hold("cook")
    eventually(lambda: [data["status"] for data in sidecar.events()] == ["confirmed", "cooking"])
