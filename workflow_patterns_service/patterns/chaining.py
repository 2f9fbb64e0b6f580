"""Chaining: each step needs the result of the step before. A trip: a flight, a hotel for its arrival, a car there.

The result of each finished step is in the workflow's history. So after a crash the chain continues at the step that
was interrupted, with the results that it had.
"""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from kit.engine.context import Context, Steps
from kit.engine.worker import Activity
from models import PatternInput, Step
from pattern import Pattern, Tools

FLIGHT_HOURS = 3


class Trip(PatternInput):
    """A trip. `fail` knows the steps flight, hotel and car."""

    STEPS = ("flight", "hotel", "car")
    city: str = Field(default="Lisbon", min_length=1, max_length=100)
    leaves: int = Field(default=9, ge=0, le=20, description="Hour of departure")


class Leg(BaseModel):
    """The input of each activity: the step, and the results that it needs."""

    step: Step
    city: str
    hour: int
    hotel: str = ""


def chaining(ctx: Context, trip: Trip) -> Steps:
    """Book a flight, then a hotel for its arrival, then a car at that hotel."""
    leg = Leg(step=trip.step("flight"), city=trip.city, hour=trip.leaves)
    arrival = yield ctx.call_activity("book_flight", input=leg, retry_policy=trip.policy)
    leg = Leg(step=trip.step("hotel"), city=trip.city, hour=arrival)
    hotel = yield ctx.call_activity("book_hotel", input=leg, retry_policy=trip.policy)
    leg = Leg(step=trip.step("car"), city=trip.city, hour=arrival, hotel=hotel)
    car = yield ctx.call_activity("book_car_there", input=leg, retry_policy=trip.policy)
    return {"arrival": arrival, "hotel": hotel, "car": car}


def activities(tools: Tools) -> Sequence[Activity]:
    """Return the steps. Each does its deed once, however often it runs."""

    async def book_flight(leg: Leg) -> int:
        await tools.deeds.do(leg.step)
        return leg.hour + FLIGHT_HOURS

    async def book_hotel(leg: Leg) -> str:
        await tools.deeds.do(leg.step)
        return f"Hotel {leg.city}, from {leg.hour}:00"

    async def book_car_there(leg: Leg) -> str:
        await tools.deeds.do(leg.step)
        return f"a car at {leg.hotel.partition(',')[0]}"

    return book_flight, book_hotel, book_car_there


PATTERN = Pattern("chaining", "Each step needs the result of the step before", Trip, [chaining], activities)
