"""What can go wrong in a step, as exceptions that survive the way through the workflow engine.

Of an exception in an activity Dapr keeps the class name and the message. The name says what kind of failure it was, and
the message begins with the dependency. 502: it answered badly; 503: it cannot be reached now; 504: it took too long.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from dapr.ext.workflow import TaskFailedError

from turn import Failure


class StepFailed(Exception):
    """A dependency failed; `detail` never holds what the user wrote, a key, or an address."""

    status = 502

    def __init__(self, dependency: str, detail: str) -> None:
        super().__init__(f"{dependency}: {detail}")
        self.dependency = dependency


class BadAnswer(StepFailed):
    """It answered, but not with what its contract promises."""


class Unreachable(StepFailed):
    """It cannot be reached, or says that it cannot serve now."""

    status = 503


class TooSlow(StepFailed):
    """It did not answer in time."""

    status = 504


class NonRetryableError(StepFailed):
    """Another attempt would fail alike. The SDK knows errors of this name and does not retry them."""


KINDS = {kind.__name__: kind.status for kind in (BadAnswer, Unreachable, TooSlow, NonRetryableError)}


class ChatFailed(Exception):
    """The turn has no reply; ends the workflow as failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.step}: {failure.dependency}: {failure.detail}")
        self.failure = failure


def failure_of(step: str, error: TaskFailedError) -> Failure:
    """What a failed activity said, once its retries are used up."""
    kind, message = error.details.error_type, error.details.message
    if kind not in KINDS:
        # A defect here, not in a dependency: the log has its words, the user gets none of them.
        return Failure(step=step, dependency="chat-service", status=502, detail=f"{step} failed unexpectedly.")
    dependency, _, detail = message.partition(": ")
    return Failure(step=step, dependency=dependency, status=KINDS[kind], detail=detail)


@asynccontextmanager
async def within(dependency: str, seconds: float) -> AsyncGenerator[None]:
    """A time limit on what is awaited inside; raises TooSlow. Activities have none of their own in Dapr."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise TooSlow(dependency, f"it did not answer within {seconds:g} s.") from error
