"""The answers of the kitchen."""

from pydantic import BaseModel, ConfigDict, Field

from kit.ledger import Task
from kit.order import ORDER, OrderAnswer, PizzaType


class OrderDone(OrderAnswer):
    """The order and its status."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**ORDER, "status": "cooked"}]})

    status: str = Field(examples=["cooked"])


class QualityTask(Task):
    """The pizza that the workflow activity `quality_check` looks at."""

    pizza_type: PizzaType


class QualityReport(BaseModel):
    """The result of a quality check."""

    order_id: str
    attempt: int
    passed: bool
    note: str
