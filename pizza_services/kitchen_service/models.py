"""The input and the result of the kitchen's quality check."""

from pydantic import BaseModel

from kit.order import PizzaType, Task


class QualityTask(Task):
    """The pizza that the workflow activity `quality_check` looks at."""

    pizza_type: PizzaType


class QualityReport(BaseModel):
    """The result of a quality check."""

    order_id: str
    attempt: int
    passed: bool
    note: str
