"""CloudEvents: any body becomes an event, and a published event has its envelope."""

import base64
import json

import grpc
import pytest
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from kit.sidecar import events
from kit.sidecar.events import Publisher
from kit.sidecar.unavailable import Unavailable


class Order(BaseModel):
    order_id: str
    size: int = 1


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"", ""),
        (b"{", "{"),
        (b"[1]", [1]),
        (b"17", 17),
        (b"\xff", "\ufffd"),
        (rb'"\ud800"', r'"\ud800"'),
        (b"[" * 100_000, "[" * 100_000),
        (b"[" * 198 + b"]" * 198, "[" * 198 + "]" * 198),
    ],
    ids=["empty", "cut off", "list", "number", "no UTF-8", "half a character", "too deep", "too deep for a list"],
)
def test_a_body_that_is_no_event_becomes_the_data_of_one(body, data):
    assert events.parse(body) == {"data": data}
    assert events.parse(b'{"id": "e", "data": {"n": 1}}') == {"id": "e", "data": {"n": 1}}


@pytest.mark.parametrize(
    "kind", ["application/vnd.pizza+json", "application/ld+json; charset=utf-8", "application/json"]
)
def test_json_of_any_json_type_is_read(kind):
    text = '{"order_id": "7"}'
    encoded = base64.b64encode(text.encode()).decode()
    assert events.data_of({"datacontenttype": kind, "data": text}) == {"order_id": "7"}
    assert events.data_of({"datacontenttype": kind, "data_base64": encoded}) == {"order_id": "7"}


@pytest.mark.parametrize("event", [{"data": "x"}, {"datacontenttype": "application/json", "data": "x"}, "x", None])
def test_data_that_is_no_json_stays_as_it_is(event):
    assert events.data_of(event) == (event["data"] if isinstance(event, dict) else None)


@pytest.mark.parametrize("encoded", ["%", "/w=="])
def test_base64_that_holds_no_text_is_no_data(encoded):
    assert events.data_of({"datacontenttype": "application/json", "data_base64": encoded}) is None


def test_the_reason_names_fields_and_content_type_but_no_values():
    event = {"datacontenttype": "text/plain", "data": {"order_id": ["secret"], "size": "x"}}
    with pytest.raises(ValidationError) as raised:
        Order.model_validate(event["data"])
    reason = events.why(raised.value, event)
    assert "order_id: " in reason
    assert "text/plain" in reason
    assert "secret" not in reason


@pytest.mark.parametrize("payload", [5, None, "no base64!", ["x"]])
async def test_a_dead_letter_that_dapr_did_not_wrap_stays_as_it_is(payload):
    event = {"id": "e", "data_base64": payload}

    async def receive():
        return {"type": "http.request", "body": json.dumps(event).encode(), "more_body": False}

    assert await events.read_dead(Request({"type": "http", "headers": []}, receive)) == event


def test_two_deliveries_of_one_event_have_one_digest_and_two_events_have_two():
    event = {"id": "e", "source": "s", "data": {"n": 1}}
    assert events.digest(event) == events.digest(event | {"time": "later", "traceparent": "00-1-2-01"})
    others = [event | {"id": "f"}, event | {"source": "t"}, event | {"data": {"n": 2}}, event | {"id": ""}, {"data": 1}]
    assert len({events.digest(one) for one in [event, *others, {"data": 2}]}) == 7


def test_an_events_own_id_is_bounded_and_printable():
    assert events.id_of({"id": "x" * 300}) == "x" * 200
    assert events.id_of({"id": "\ud800"}) == "\\ud800"
    assert events.id_of({}) == ""


async def test_a_published_event_has_its_envelope(sidecar, sdk):
    publisher = Publisher(sdk, "pubsub", "pizza-workflow")
    await publisher.publish("orders", "OrderPlaced", Order(order_id="7"), id="e-1", subject="7", traceparent=None)
    await publisher.publish("orders", "OrderPlaced", {"order_id": "8"})
    sidecar.refuse = lambda *_: (grpc.StatusCode.INTERNAL, "error when publishing")
    with pytest.raises(Unavailable, match="pubsub cannot be used now"):
        await publisher.publish("orders", "OrderPlaced", {})
    first, second = (one.event for one in sidecar.published)
    assert {first.pop(name) for name in ("specversion", "datacontenttype")} == {"1.0", "application/json"}
    assert first.pop("time")
    assert first == {
        "id": "e-1",
        "source": "pizza-workflow",
        "type": "OrderPlaced",
        "subject": "7",
        "data": {"order_id": "7", "size": 1},
    }
    assert second["id"] not in ("", "e-1")
    assert sidecar.published[0].pubsub == "pubsub"
    assert json.dumps(sidecar.events("orders")[1]) == '{"order_id": "8"}'
