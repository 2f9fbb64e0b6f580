"""Show an order: from its workflow, or from pizza-order once Dapr has purged or lost the workflow."""

import json
from typing import Any

from dapr.ext.workflow import WorkflowState, WorkflowStatus

from kit.engine.instances import active
from kit.sidecar.unavailable import Unavailable
from messages import Progress, instance_of
from models import OrderState, StatusEntry
from orders import refusals
from orders.standing import Position, Standing, progress_in
from records.order_book import DELETED


def show(position: Position) -> OrderState:
    """Return the state of an order. Raise Refused for one that is unknown or deleted."""
    if position.state is None or position.standing in (Standing.DELETED, Standing.CLAIMED):
        return _from_book(position)
    order_id, progress, compensation = position.order_id, position.progress, position.compensation
    if compensation and compensation.state and compensation.is_of(progress.run):
        compensated = progress_in(order_id, compensation.state)
        compensated.timeline = progress.timeline + compensated.timeline
        return _from_workflow(compensated, compensation.instance_id, compensation.state)
    continues = position.standing is Standing.RESTARTING
    return _from_workflow(progress, instance_of(order_id), position.state, continues=continues)


def _from_workflow(
    progress: Progress, instance_id: str, state: WorkflowState, *, continues: bool = False
) -> OrderState:
    continues = continues or active(state)
    return OrderState(
        **progress.model_dump(exclude={"run", "status", "unpublished"}),
        status="failed" if state.runtime_status is WorkflowStatus.FAILED and not continues else progress.status,
        instance_id=instance_id,
        paused=state.runtime_status is WorkflowStatus.SUSPENDED,
        result=None if continues else _result(progress, state),
    )


def _result(progress: Progress, state: WorkflowState) -> dict[str, Any]:
    if state.runtime_status is WorkflowStatus.COMPLETED:
        return json.loads(state.serialized_output)
    failure = state.failure_details
    error = failure.message if failure else f"the workflow was {state.runtime_status.name.lower()}"
    return {"order_id": progress.order_id, "status": "failed", "error": error}


def _from_book(position: Position) -> OrderState:
    order_id, found = position.order_id, position.found
    if isinstance(found, Unavailable):
        raise found
    if found is None or found.status == DELETED:
        if position.lost and position.standing is not Standing.DELETED:
            raise position.lost
        raise refusals.UNKNOWN.of(order_id)
    kind = "completed" if found.status == "delivered" else "failed"
    result = {"order_id": order_id, "status": kind, "final_status": found.status}
    if found.timeline and (error := found.timeline[-1].note):
        result["error"] = error
    return OrderState(
        order_id=order_id,
        instance_id=instance_of(order_id),
        status=found.status,
        step=found.step or found.status,
        attempt=found.attempt or 1,
        timeline=[StatusEntry(status=entry.status, at=entry.at, attempt=entry.attempt) for entry in found.timeline],
        result=result if found.final else None,
    )
