"""What can go wrong between this app and what it needs, and what its user is told of it."""

import logging
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from problems import problem

log = logging.getLogger("failures")

SIDECAR = "Dapr sidecar"
SCHEDULER = "Dapr scheduler"
# The scheduler's reasons (go-etcd-cron, internal/scheduler/builder.go) name fields in words.
FIELD_OF_REASON = {"due time format": "due_time", "ttl": "ttl", "repeat": "repeats", "HTTP body": "data"}


class JobMissing(Exception):
    """The scheduler has no job of that name."""


class JobExists(Exception):
    """The scheduler has a job of that name already, and was not told to replace it."""


class JobRefused(Exception):
    """The scheduler cannot make sense of the job; the text is its own reason."""


@dataclass(eq=False)
class DependencyFailed(Exception):
    """Something that a request needs failed. `reason` is for the log only, as it names internal addresses."""

    status: int
    dependency: str
    detail: str
    error_code: str | None = None
    reason: str = ""

    def __str__(self) -> str:
        return self.detail


def too_slow(dependency: str, seconds: float) -> DependencyFailed:
    """This app's own time limit ran out."""
    return DependencyFailed(504, dependency, f"{dependency} did not answer within {seconds:g} s.")


def sidecar_down(reason: object) -> DependencyFailed:
    """The sidecar could not be reached, or was lost in the middle of a call."""
    return DependencyFailed(503, SIDECAR, "The Dapr sidecar of this app cannot be reached.", reason=str(reason))


def bad_answer(dependency: str, status: int, code: str | None, message: str) -> DependencyFailed:
    """An answer of the sidecar that says that `dependency` failed."""
    if status == 401:
        return DependencyFailed(502, SIDECAR, "The Dapr sidecar refuses the DAPR_API_TOKEN of this app.")
    # Of the HTTP statuses Dapr gives to most failures, only 500; whether it is a matter of time stands in the text.
    down = status in (503, 504) or "Unavailable" in message or "connection refused" in message
    detail = f"{dependency} cannot be reached." if down else f"{dependency} failed."
    return DependencyFailed(503 if down else 502, dependency, detail, code, message)


def install(app: FastAPI) -> None:
    """Makes each failure the problem that tells a user of it."""

    @app.exception_handler(JobMissing)
    async def missing(_: Request, __: JobMissing) -> JSONResponse:
        return problem(404, "job_name: there is no such job.")

    @app.exception_handler(JobExists)
    async def exists(_: Request, __: JobExists) -> JSONResponse:
        return problem(409, 'job_name: there is a job of this name; "overwrite": true replaces it.')

    @app.exception_handler(JobRefused)
    async def refused(_: Request, error: JobRefused) -> JSONResponse:
        field = next((field for words, field in FIELD_OF_REASON.items() if words in str(error)), "schedule")
        return problem(422, f"{field}: {error}", errors=[{"field": field, "message": str(error)}])

    @app.exception_handler(DependencyFailed)
    async def failed(_: Request, failure: DependencyFailed) -> JSONResponse:
        facts = {"dependency": failure.dependency, "errorCode": failure.error_code}
        told = {name: fact for name, fact in facts.items() if fact}
        log.warning(failure.detail, extra={"fields": {**told, "reason": failure.reason}})
        return problem(failure.status, failure.detail, None, **told)
