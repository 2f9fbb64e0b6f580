"""The workflow that another app calls, run by the service's worker on a stand-in for the engine."""

import json

from kit.fakes.engine import Engine, Instance
from kit.fakes.waiting import eventually


def test_a_car_is_booked_at_the_price_that_it_is_quoted_at(client, engine: Engine):
    engine.start(booking := Instance("trip", "book_car", json.dumps({"city": "Porto", "days": 3})))
    eventually(lambda: booking.ended)
    assert json.loads(booking.output) == {"booking": "car-trip", "car": "small car in Porto", "price": 147}


def test_a_request_that_cannot_be_quoted_fails_the_workflow(client, engine: Engine):
    engine.start(booking := Instance("bad", "book_car", json.dumps({"days": 0})))
    eventually(lambda: booking.ended)
    assert "days" in booking.failure.errorMessage
