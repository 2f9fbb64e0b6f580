"""The workflow worker's calls to its sidecar, none of which is being made any more when its channel is closed.

The SDK's worker closes its channel when it stops, whatever its threads are just sending. A call that gRPC is making in
that moment can end the process with a segmentation fault (grpcio 1.85.1), so that nothing after it is shut down.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import grpc


class WorkerCalls(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """An interceptor for `WorkflowRuntime`; after `end`, each call is refused as a closed channel would refuse it."""

    def __init__(self) -> None:
        self._under_way, self._ended, self._changed = 0, False, threading.Condition()

    def intercept_unary_unary(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        """Makes the call. Raises ValueError after `end`: the SDK takes it for what it is, and Dapr hands out again."""
        with self._one():
            return continuation(client_call_details, request)

    def intercept_unary_stream(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        """Opens the stream of work, which the channel may well be closed under. Raises ValueError after `end`."""
        with self._one():
            return continuation(client_call_details, request)

    def end(self, seconds: float) -> bool:
        """Begins no further call, and waits so long for those under way; False if there are some still."""
        with self._changed:
            self._ended = True
            return self._changed.wait_for(lambda: self._under_way == 0, seconds)

    @contextmanager
    def _one(self) -> Generator[None]:
        with self._changed:
            if self._ended:
                raise ValueError("The worker is stopping.")
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()
