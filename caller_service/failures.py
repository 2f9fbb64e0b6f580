"""What a failed call means to the one who asked for it.

Only what the user sent is the user's fault (4xx). Of the rest, 502 says that a dependency answered badly, 503 that it
cannot be reached now, 504 that it took too long. Dapr's own words stay in the log: they name internal addresses.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, cast

import grpc
from grpc import StatusCode

SIDECAR = "Dapr sidecar"
# Under this code Dapr 1.18 books every failed HTTP invocation, callee's own error answers too, which it passes on
# without a code of its own (pkg/api/http/directmessaging.go).
DIRECT_INVOKE = "ERR_DIRECT_INVOKE"
# 401 and 403 speak of this app's credentials and of Dapr's access policy, neither of which the user can mend.
NOT_THE_USERS = {401, 403}
# Of the two ends of a call that is cut off either may be the first to say so (seen on 1.18.0).
TOO_LATE = re.compile("deadline[ _]?exceeded", re.IGNORECASE)
BREAKER_OPEN = "circuit breaker is open"


@dataclass(eq=False)
class CallFailed(Exception):
    """A call that brought no greeting; `status` and `detail` are what caller's user is told."""

    status: int
    dependency: str
    detail: str
    error_code: str | None = None
    attempts: int | None = None
    breaker_open: bool = False
    reason: str = ""

    def __str__(self) -> str:
        return self.detail


def too_slow(app_id: str, seconds: float) -> CallFailed:
    """This app's own time limit ran out."""
    return CallFailed(504, app_id, f"{app_id} did not answer within {seconds:g} s.")


def sidecar_down(reason: object) -> CallFailed:
    """The sidecar could not be reached, or was lost in the middle of a call."""
    return CallFailed(503, SIDECAR, "The Dapr sidecar of this app cannot be reached.", reason=str(reason))


def bad_greeting(app_id: str, attempts: int | None) -> CallFailed:
    """A good status, but not the body that the contract promises."""
    return CallFailed(502, app_id, f"{app_id} answered with something that is no greeting.", attempts=attempts)


def from_http(app_id: str, status: int, body: bytes, attempts: int | None = None) -> CallFailed:
    """An HTTP answer that is no greeting: an error of Dapr's, or the last answer of callee itself."""
    told = _object(body)
    if code := told.get("errorCode"):
        return _from_dapr(app_id, str(code), str(told.get("message")), attempts, denied=status == 403)
    if status == 401 and body.startswith(b"invalid api token"):
        return CallFailed(502, SIDECAR, "The Dapr sidecar refuses the DAPR_API_TOKEN of this app.")
    detail = str(told.get("detail") or "no detail given")[:500]
    if 400 <= status < 500 and status not in NOT_THE_USERS:
        return CallFailed(status, app_id, detail, DIRECT_INVOKE, attempts)
    told_status = status if status in (503, 504) else 502
    return CallFailed(told_status, app_id, f"{app_id} answered {status}: {detail}", DIRECT_INVOKE, attempts)


def from_grpc(app_id: str, error: grpc.aio.AioRpcError, attempts: int | None) -> CallFailed:
    """A gRPC status that is not OK, of Dapr or of the Greeter itself."""
    code, reason = error.code(), error.details() or ""
    # The Greeter tells its attempt with every answer, so a status without one was made on the way to it. After retries
    # Dapr may have the last word although the Greeter had spoken before.
    if attempts is None or code is StatusCode.DEADLINE_EXCEEDED or BREAKER_OPEN in reason:
        if code is StatusCode.UNAUTHENTICATED:
            detail = f"A Dapr token is missing or wrong on the way to {app_id}."
            return CallFailed(502, app_id, detail, code.name, reason=reason)
        return _from_dapr(app_id, code.name, reason, attempts, denied=code is StatusCode.PERMISSION_DENIED)
    if code is StatusCode.INVALID_ARGUMENT:
        return CallFailed(422, app_id, reason[:500], code.name, attempts)
    status = 503 if code is StatusCode.UNAVAILABLE else 502
    return CallFailed(status, app_id, f"{app_id} answered {code.name}: {reason[:500]}", code.name, attempts)


def _from_dapr(app_id: str, code: str, reason: str, attempts: int | None, *, denied: bool) -> CallFailed:
    # One code stands for all that can go wrong in an invocation; only Dapr's words tell which it was (seen on 1.18.0).
    breaker_open = BREAKER_OPEN in reason or "too many requests" in reason
    if denied:
        status, detail = 502, f"Dapr's access policy does not let this app call {app_id}."
    elif breaker_open:
        status, detail = 503, f"{app_id} failed too often; Dapr's circuit breaker holds calls back for a while."
    elif TOO_LATE.search(f"{code} {reason}"):
        status, detail = 504, f"{app_id} took longer than Dapr's policy allows."
    else:
        status, detail = 503, f"{app_id} cannot be reached."
    return CallFailed(status, app_id, detail, code, attempts, breaker_open, reason)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
