"""The answers of delivery."""

from pydantic import ConfigDict, Field

from kit.order import ORDER, OrderAnswer


class OrderDone(OrderAnswer):
    """The order and its status."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**ORDER, "status": "delivered"}]})

    status: str = Field(examples=["delivered"])
