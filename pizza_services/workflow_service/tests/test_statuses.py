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


def delivered(ada):
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=True)
    ada.until_ended()


def test_every_status_is_published_before_the_workflow_ends(ada, sidecar):
    delivered(ada)
    told = sidecar.events()
    assert [data["status"] for data in told] == ada.statuses()
    assert [data["sequence"] for data in told] == list(range(1, len(told) + 1))
    assert [data["at"] for data in told] == [moment["at"] for moment in ada.state()["timeline"]]
    assert [data["final"] for data in told] == [False] * (len(told) - 1) + [True]


def test_events_are_as_the_contract_has_them(ada, sidecar):
    delivered(ada)
    for event in sidecar.published():
        jsonschema.validate(event, EVENT, format_checker=jsonschema.FormatChecker())


def test_the_first_event_has_the_order_without_its_customer(ada, sidecar):
    delivered(ada)
    assert [data.get("order") for data in sidecar.events()] == [PIZZA] + [None] * 6


def test_an_event_that_is_published_again_has_the_same_id(ada, sidecar):
    sidecar.fail_publishing = 3
    delivered(ada)
    run = sidecar.document("start_123")["run"]
    ids = sorted({event["id"] for event in sidecar.published()})
    assert ids == [f"pizza-order-123-{run}-{sequence}" for sequence in range(1, 8)]


def test_a_status_that_cannot_be_published_does_not_hold_up_the_pizza(serve, ada, sidecar):
    sidecar.fail_publishing = 1_000
    ada.client = serve(rules={"publish_status": {"attempts": 2, "first_seconds": 0.01}})
    delivered(ada)
    result = ada.state()["result"]
    assert result["final_status"] == "delivered"
    assert result["error"] == "7 statuses could not be published"


def test_statuses_that_could_not_be_published_follow_with_the_next_step(ada, sidecar):
    sidecar.fail_publishing = 2
    delivered(ada)
    assert [data["status"] for data in sidecar.events()] == ada.statuses()
    assert "error" not in ada.state()["result"]


def test_many_slow_statuses_have_one_time_limit(monkeypatch):
    async def slow(*_, **__):
        await asyncio.sleep(0.05)

    events = StatusEvents(Settings(_env_file=None, time_limits={"publish_status": 0.5}), None)
    monkeypatch.setattr(events._publisher, "publish", slow)
    change = StatusChange(
        order_id="123", run="1", sequence=1, status="cooking", step="cook_pizza", attempt=1, at="2026-01-02T03:04:05Z"
    )
    many = [StatusEvent(event_id=str(number), change=change) for number in range(100)]
    left = asyncio.run(events.publish(many, None))
    assert 0 < len(left) < 100
    assert left == many[-len(left) :]


@pytest.mark.parametrize("held", ["order", "cook", "deliver"])
def test_a_step_that_a_cancellation_overtakes_publishes_nothing_late(ada, sidecar, held):
    sidecar.peers.hold(held)
    ada.order()
    if held == "deliver":
        ada.until("pending_validation")
        ada.post("/validate-pizza", approved=True)
    eventually(lambda: held in sidecar.peers.asked())
    ada.post("/cancel-order")
    ada.until_ended()
    sidecar.peers.release()
    eventually(sidecar.engine.is_idle)
    assert [data["status"] for data in sidecar.events()] == ada.statuses()


def test_a_stopped_workflows_last_statuses_are_published_by_the_one_that_compensates_it(ada, sidecar):
    sidecar.engine.other_apps.clear()
    ada.order()
    # No activity has published this one yet.
    eventually(lambda: ada.state()["step"] == "quality_check")
    assert sidecar.events()[-1]["status"] == "cooking"
    ada.post("/cancel-order", force=True)
    eventually(lambda: ada.state()["status"] == "cancelled" and ada.until_ended())
    assert [data["status"] for data in sidecar.events()] == ada.statuses()
    assert ada.statuses() == ["confirmed", "cooking", "cooked", "cancelled"]


def test_statuses_are_published_while_the_next_step_is_done(ada, sidecar):
    sidecar.peers.hold("cook")
    ada.order()
    eventually(lambda: [data["status"] for data in sidecar.events()] == ["confirmed", "cooking"])
