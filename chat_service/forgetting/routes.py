"""The routes that only Dapr calls: the event of a forgotten user, and the job that follows it."""

import logging

from fastapi import APIRouter, Depends, HTTPException
from pydantic import ValidationError

from events import TRIM_JOB
from kit.edge.problems import documented
from kit.edge.token import only_dapr
from kit.sidecar.unavailable import Unavailable
from models import EventStatus, Leftovers, UserForgottenData, UserForgottenEvent
from wiring import ServicesDep

log = logging.getLogger("chat")

router = APIRouter(dependencies=[Depends(only_dapr)])


@router.post("/events/user-forgotten", responses=documented(401, 422))
async def user_forgotten(event: UserForgottenEvent, services: ServicesDep) -> EventStatus:
    """Forget a user that agent-memory-service forgot. For Dapr alone."""
    if event.get("type") == "StreamTrimmed":
        return EventStatus(status="SUCCESS")
    try:
        forgotten = UserForgottenData.model_validate(event.get("data"))
    except ValidationError:
        log.warning("invalid UserForgotten event dropped", extra={"event_id": event.get("id")})
        return EventStatus(status="DROP")
    try:
        await services.forgetting.forget(forgotten)
    except Unavailable as error:
        log.warning("user not forgotten yet", extra={"detail": error.detail, "reason": error.reason})
        return EventStatus(status="RETRY")
    return EventStatus(status="SUCCESS")


@router.post("/job/{name}", responses=documented(401, 404, 422, 503, 504))
async def job_due(name: str, leftovers: Leftovers, services: ServicesDep) -> EventStatus:
    """Delete the leftovers of a forgotten user, and trim the stream of conversations. For Dapr's scheduler alone."""
    if not name.startswith(TRIM_JOB):
        raise HTTPException(404, "name: chat-service has no such job.")
    await services.forgetting.sweep(leftovers)
    return EventStatus(status="SUCCESS")
