"""The answers to a greeting: the greeting itself, or the meaning of a failed call for the user.

A 4xx is for faults of the user's own input. Otherwise 502 means that a dependency answered badly, 503 that it cannot
be reached now, 504 that it took too long. Dapr's own words stay in the log, because they name internal addresses.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, cast

import grpc
from grpc import StatusCode
from pydantic import ValidationError

from kit.sidecar.unavailable import SIDECAR, Unavailable
from models import Greeting

# Dapr gives this code to every failed HTTP invocation. callee's own errors pass through without a code
# (dapr/dapr, pkg/api/http/directmessaging.go).
DIRECT_INVOKE = "ERR_DIRECT_INVOKE"
# 401 and 403 concern this app's credentials and Dapr's access policy. The user can mend neither.
NOT_THE_USERS = {401, 403}
TOO_LATE = re.compile("deadline[ _]?exceeded", re.IGNORECASE)
BREAKER_OPEN = "circuit breaker is open"


@dataclass(frozen=True, slots=True)
class Answer:
    """A greeting, and how often callee saw the request (None if it did not say)."""

    message: str
    attempts: int | None


@dataclass(eq=False)
class CallFailed(Unavailable):
    """A call without a greeting; `status` and `detail` are the answer to caller's user."""

    attempts: int | None = None

    def members(self) -> dict[str, Any]:
        """Add how often callee saw the request."""
        return {**super().members(), "attempts": self.attempts}


@dataclass(frozen=True, slots=True)
class Answers:
    """Read the answers of one app. `retry_after`: the seconds that Dapr's circuit breaker stays open."""

    app_id: str
    retry_after: int

    def greeting(self, body: bytes, attempts: int | None) -> Answer:
        """Return the greeting in a good answer; raise CallFailed if it breaks the contract."""
        try:
            return Answer(Greeting.model_validate_json(body).message, attempts)
        except ValidationError as error:
            detail = f"{self.app_id} answered with something other than a greeting."
            raise CallFailed(502, self.app_id, detail, attempts=attempts) from error

    def http_failure(self, status: int, body: bytes, attempts: int | None = None) -> CallFailed:
        """Return the meaning of an HTTP error: one of Dapr's, or the last answer of callee itself."""
        fields = _object(body)
        if code := fields.get("errorCode"):
            return self._from_dapr(str(code), str(fields.get("message")), attempts, denied=status == 403)
        if status == 401 and body.startswith(b"invalid api token"):
            return CallFailed(502, SIDECAR, "The Dapr sidecar refuses the DAPR_API_TOKEN of this app.")
        detail = str(fields.get("detail") or "no detail given")[:500]
        if 400 <= status < 500 and status not in NOT_THE_USERS:
            return CallFailed(status, self.app_id, detail, DIRECT_INVOKE, attempts=attempts)
        detail = f"{self.app_id} answered {status}: {detail}"
        return CallFailed(
            status if status in (503, 504) else 502, self.app_id, detail, DIRECT_INVOKE, attempts=attempts
        )

    def grpc_failure(self, error: grpc.aio.AioRpcError, attempts: int | None) -> CallFailed:
        """Return the meaning of a gRPC error, of Dapr or of the Greeter itself."""
        code, reason = error.code(), error.details() or ""
        # The Greeter sends its attempt with every answer. A status without one was made on the way to it. After
        # retries Dapr may have the last word although the Greeter answered before.
        if attempts is None or code is StatusCode.DEADLINE_EXCEEDED or BREAKER_OPEN in reason:
            if code is StatusCode.UNAUTHENTICATED:
                detail = f"A Dapr token is missing or wrong on the way to {self.app_id}."
                return CallFailed(502, self.app_id, detail, code.name, reason)
            return self._from_dapr(code.name, reason, attempts, denied=code is StatusCode.PERMISSION_DENIED)
        if code is StatusCode.INVALID_ARGUMENT:
            return CallFailed(422, self.app_id, reason[:500], code.name, attempts=attempts)
        status = 503 if code is StatusCode.UNAVAILABLE else 502
        detail = f"{self.app_id} answered {code.name}: {reason[:500]}"
        return CallFailed(status, self.app_id, detail, code.name, attempts=attempts)

    def _from_dapr(self, code: str, reason: str, attempts: int | None, *, denied: bool) -> CallFailed:
        # One code stands for every fault of an invocation; only Dapr's words distinguish them.
        retry_after = None
        if denied:
            status, detail = 502, f"Dapr's access policy does not let this app call {self.app_id}."
        elif BREAKER_OPEN in reason or "too many requests" in reason:
            status, retry_after = 503, self.retry_after
            detail = f"{self.app_id} failed too often; Dapr's circuit breaker holds calls back for a while."
        elif TOO_LATE.search(f"{code} {reason}"):
            status, detail = 504, f"{self.app_id} took longer than Dapr's policy allows."
        else:
            status, detail = 503, f"{self.app_id} cannot be reached."
        return CallFailed(status, self.app_id, detail, code, reason, retry_after, attempts)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
