"""The answers of the storefront."""

from pydantic import ConfigDict, Field

from kit.order import ORDER, OrderAnswer


class OrderDone(OrderAnswer):
    """The order and its status."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**ORDER, "status": "confirmed"}]})

    status: str = Field(examples=["confirmed"])
