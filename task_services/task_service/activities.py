"""The activity that workflow-patterns calls in this app, and its input."""

from typing import Any

from pydantic import BaseModel, Field

PRICE_PER_DAY = 49


class CarRequest(BaseModel):
    """A car that somebody needs."""

    city: str = Field(default="Lisbon", min_length=1, max_length=100)
    days: int = Field(default=1, ge=1, le=90)


async def quote_car(request: CarRequest) -> dict[str, Any]:
    """Return a car and its price. The same request has the same answer, so a repeated activity does no harm."""
    return {"car": f"small car in {request.city}", "price": PRICE_PER_DAY * request.days}
