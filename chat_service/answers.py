"""The answer to a message as it is now: from its claim, and from its workflow while Dapr keeps that."""

import json
from typing import Literal

from dapr.ext.workflow import WorkflowState, WorkflowStatus

from failures import DEFECT
from messages import Answered, Failure
from models import AnswerMetadata, ChatAnswer
from once.claims import Claim, parts_of

NO_DETAILS = "It failed; the details of that are no longer kept."
Status = Literal["running", "completed", "failed", "terminated"]
STATUSES: dict[WorkflowStatus, Status] = {
    WorkflowStatus.COMPLETED: "completed",
    WorkflowStatus.FAILED: "failed",
    WorkflowStatus.TERMINATED: "terminated",
}


def status_of(state: WorkflowState | None) -> Status:
    """Return the status of a workflow. One that is not there yet is as good as running."""
    return "running" if state is None else STATUSES.get(state.runtime_status, "running")


def failure_in(state: WorkflowState | None) -> Failure:
    """Return the failure that a failed workflow left as its custom status."""
    left = state and state.serialized_custom_status
    return Failure.model_validate_json(left) if left else DEFECT


def answer_of(instance: str, claim: Claim, state: WorkflowState | None = None) -> ChatAnswer:
    """Return the answer of one workflow of a message."""
    status, answered, error = status_of(state), None, None
    if state is None:
        # Dapr removes a finished workflow after a while (stateRetentionPolicy), and the claim is kept for longer.
        # There is a next run only of a run that failed.
        run = parts_of(instance)[1]
        if claim.answered:
            status, answered = "completed", claim.answered
        elif run < claim.run or (run == claim.run and claim.failed):
            status, error = "failed", NO_DETAILS
    elif status == "completed":
        answered = Answered.model_validate(json.loads(state.serialized_output or ""))
    elif status == "failed":
        error = failure_in(state).detail
    metadata = AnswerMetadata(
        session_id=claim.session_id,
        message_id=claim.message_id,
        timestamp=claim.timestamp,
        model=answered.model if answered else None,
        tags=claim.tags,
    )
    return ChatAnswer(
        user_id=claim.user_id,
        reply=answered.reply if answered else None,
        status=status,
        instance_id=instance,
        metadata=metadata,
        error=error,
    )
