"""Track the workflow worker's calls to its sidecar, so that none is in flight when its channel closes (FAULTS.md)."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import grpc


class WorkerCalls(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Intercept the calls of a `WorkflowRuntime`. After `end`, refuse each call as a closed channel would."""

    def __init__(self) -> None:
        self._in_flight, self._ended, self._changed = 0, False, threading.Condition()

    def intercept_unary_unary(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        """Make the call. Raise ValueError after `end`: the SDK gives the work up, and Dapr dispatches it again."""
        with self._one():
            return continuation(client_call_details, request)

    def intercept_unary_stream(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        """Open the stream of work items; the channel may close under it. Raise ValueError after `end`."""
        with self._one():
            return continuation(client_call_details, request)

    def end(self, seconds: float) -> bool:
        """Refuse new calls and wait up to `seconds` for those in flight. Return False if some remain."""
        with self._changed:
            self._ended = True
            return self._changed.wait_for(lambda: self._in_flight == 0, seconds)

    @contextmanager
    def _one(self) -> Generator[None]:
        with self._changed:
            if self._ended:
                raise ValueError("The worker is stopping.")
            self._in_flight += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()
