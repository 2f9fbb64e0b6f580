"""The statuses that are published: each once by its id, in the form of asyncapi.yaml."""

import jsonschema
import yaml
from conftest import ORDER, SERVICE, eventually

ASYNCAPI = yaml.safe_load((SERVICE / "asyncapi.yaml").read_text())
EVENT = {"$ref": "#/components/schemas/OrderStatusChangedEvent", "components": ASYNCAPI["components"]}


def delivered(ada):
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=True)
    ada.until_ended()


def test_every_status_is_published_before_the_workflow_ends(ada, sidecar):
    delivered(ada)
    told = sidecar.dapr.events()
    assert [data["status"] for data in told] == ada.statuses()
    assert [data["sequence"] for data in told] == list(range(1, len(told) + 1))
    assert [data["at"] for data in told] == [moment["at"] for moment in ada.state()["timeline"]]
    assert [data["final"] for data in told] == [False] * (len(told) - 1) + [True]


def test_events_are_as_the_contract_has_them(ada, sidecar):
    delivered(ada)
    assert {topic for topic, _ in sidecar.dapr.published} == {"orders"}
    for _, event in sidecar.dapr.published:
        jsonschema.validate(event, EVENT, format_checker=jsonschema.FormatChecker())


def test_the_first_event_has_the_order(ada, sidecar):
    delivered(ada)
    assert [data.get("order") for data in sidecar.dapr.events()] == [ORDER] + [None] * 6


def test_an_event_that_is_published_again_has_the_same_id(ada, sidecar):
    sidecar.dapr.fail_publishing = 3
    delivered(ada)
    run = sidecar.dapr.document("start_123")["run"]
    ids = sorted(event["id"] for _, event in sidecar.dapr.published)
    assert ids == [f"pizza-order-123-{run}-{sequence}" for sequence in range(1, 8)]


def test_a_status_that_cannot_be_published_does_not_hold_up_the_pizza(serve, ada, sidecar):
    sidecar.dapr.fail_publishing = 1_000
    ada.client = serve(rules={"publish_status": {"attempts": 2, "first_seconds": 0.01}})
    delivered(ada)
    result = ada.state()["result"]
    assert result["final_status"] == "delivered"
    assert result["error"] == "7 statuses could not be published"


def test_statuses_are_published_while_the_next_step_is_done(ada, sidecar):
    sidecar.peers.hold("cook")
    ada.order()
    eventually(lambda: [data["status"] for data in sidecar.dapr.events()] == ["confirmed", "cooking"])
