"""The one exception for "a dependency is down", and the answer it becomes."""

import logging
import re
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from kit.edge.problems import problem

SIDECAR = "Dapr sidecar"

log = logging.getLogger("dependency")
# The path of a URL, which may have the id or the name of a person.
_PATH = re.compile(r'(://[^/\s"]+)/[^\s"]*')


@dataclass(eq=False)
class Unavailable(Exception):
    """A dependency failed: 502 it answered badly, 503 it is down, 504 it took too long.

    `detail` is for the caller. `reason` is for the log only, because it names internal addresses. `retry_after` is in
    seconds.
    """

    status: int
    dependency: str
    detail: str
    error_code: str | None = None
    reason: str = ""
    retry_after: int | None = None

    def __post_init__(self) -> None:
        self.reason = _PATH.sub(r"\1/…", self.reason)

    def __str__(self) -> str:
        return self.detail

    def members(self) -> dict[str, Any]:
        """Return what the answer says besides status and detail. The log has it too."""
        return {"dependency": self.dependency, "errorCode": self.error_code}


def too_slow(dependency: str, seconds: float) -> Unavailable:
    """Return the error for a dependency that did not answer within this app's own time limit."""
    return Unavailable(504, dependency, f"{dependency} did not answer within {seconds:g} s.")


def sidecar_down(reason: object) -> Unavailable:
    """Return the error for a sidecar that cannot be reached, or was lost in the middle of a call."""
    return Unavailable(503, SIDECAR, "The Dapr sidecar of this app cannot be reached.", reason=str(reason))


async def answer(request: Request, error: Exception) -> JSONResponse:
    """Answer with the problem details of an Unavailable, and log its reason. A 4xx is its user's fault: no warning."""
    assert isinstance(error, Unavailable)
    request_id = {"request_id": request.headers["x-request-id"][:200]} if "x-request-id" in request.headers else {}
    about = {**error.members(), "detail": error.detail, "reason": error.reason, **request_id}
    log.log(logging.WARNING if error.status >= 500 else logging.INFO, "call failed", extra=about)
    headers = None if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return problem(error.status, error.detail, headers, **error.members())
