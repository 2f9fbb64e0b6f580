"""The gRPC Greeter: callee's second process, which others reach through Dapr's gRPC proxying."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from secrets import compare_digest
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as health

from kit.edge import logs, trace
from kit.edge.attempts import Attempts
from kit.edge.faults import Faults, SimulatedError
from models import NAME_MAX
from protos.greeter_pb2 import GreetReply, GreetRequest
from protos.greeter_pb2_grpc import GreeterServicer, add_GreeterServicer_to_server
from settings import Settings

log = logging.getLogger("greeter")

METADATA_BYTES = 65_536  # As many as uvicorn takes of HTTP headers: kit/edge/connections.py.
NO_TOKEN = "The dapr-api-token metadata is missing or wrong: call this app through its Dapr sidecar."

if TYPE_CHECKING:  # The stubs know these classes as generic; at run time they are not.
    Context = grpc.aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any] | None


class Greeter(GreeterServicer):
    """Greet by name, and fail if SIMULATE_FAILURE is set."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._attempts = Attempts()

    async def Greet(self, request: GreetRequest, context: Context) -> GreetReply:
        metadata = dict(context.invocation_metadata() or ())
        trace.begin(str(metadata.get(trace.HEADER, "")))
        with trace.serve("Greet"):
            return await self._greet(request, context, str(metadata.get("x-request-id", "")))

    async def _greet(self, request: GreetRequest, context: Context, request_id: str) -> GreetReply:
        attempt = self._attempts.add(request_id or trace.trace_id())
        # Trailing metadata, because an error has no other.
        context.set_trailing_metadata((("x-attempt", str(attempt)),))

        if not 1 <= len(request.name) <= NAME_MAX:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"name: must have 1 to {NAME_MAX} characters")
        try:
            await self._faults.strike()
        except SimulatedError as error:
            log.warning("Simulating failure #%d", error.number)
            # Dapr's policy retries UNAVAILABLE, but not INTERNAL.
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return GreetReply(message=f"Hello, {request.name} from callee-grpc-app!")


class AppToken(grpc.aio.ServerInterceptor):
    """Refuse calls without the APP_API_TOKEN. Dapr sends it with each call; the platform's health checks do not."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        shown = dict(handler_call_details.invocation_metadata).get("dapr-api-token", "")
        is_health_check = handler_call_details.method.startswith("/grpc.health.v1.Health/")
        if is_health_check or compare_digest(str(shown).encode(), self._token):
            return await continuation(handler_call_details)
        return grpc.unary_unary_rpc_method_handler(self._refuse)

    async def _refuse(self, _: object, context: Context) -> None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, NO_TOKEN)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let the calls in flight finish."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(stopped.set))

    server = grpc.aio.server(
        interceptors=[AppToken(settings.app_api_token.get_secret_value())] if settings.app_api_token else [],
        options=[
            ("grpc.max_receive_message_length", settings.max_body_bytes),
            # From 8 KiB on gRPC would refuse metadata now and then, even metadata that nobody reads.
            ("grpc.max_metadata_size", METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", METADATA_BYTES),
            # By default gRPC shares a port that is held already; a second Greeter must fail instead.
            ("grpc.so_reuseport", 0),
        ],
    )
    add_GreeterServicer_to_server(Greeter(Faults("callee-service", settings.fails_per_success)), server)
    health_service = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
    address = f"{settings.app_host}:{settings.app_port}"
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        sys.exit(f"The Greeter cannot listen at {address}: {error}")
    async with trace.recording(settings, "callee-grpc-app"):
        await server.start()
        log.info("greeter serving", extra={"address": address})
        await stopped.wait()
        await health_service.enter_graceful_shutdown()
        await server.stop(settings.shutdown_grace_seconds)
    log.info("greeter stopped")


if __name__ == "__main__":
    environment = Settings()
    logs.configure(environment.log_level)
    asyncio.run(serve(environment))
