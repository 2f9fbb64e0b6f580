"""Actor: register TaskActor with this app's sidecar, and open the one client for calls to actors of any replica."""

import asyncio
from typing import Any, cast

import aiohttp
from dapr.actor import ActorId, ActorProxy
from dapr.clients import DaprActorHttpClient
from dapr.ext.fastapi import DaprActor
from dapr.serializers import DefaultJSONSerializer
from fastapi import APIRouter, Depends

from blocks.actor import TaskActor, TaskCalls
from blocks.state import TaskState
from kit.edge.faults import Faults
from kit.edge.token import only_dapr
from kit.sidecar.client import SdkClient
from kit.sidecar.events import Publisher
from kit.sidecar.unavailable import Unavailable, sidecar_down, too_slow
from settings import Settings

TYPE, JSON = TaskActor.__name__, DefaultJSONSerializer()

router = APIRouter(dependencies=[Depends(only_dapr)], include_in_schema=False)
# DaprActor adds the routes that Dapr calls. A router takes them as an app does, so they want Dapr's token. One of them
# is a /healthz, so main.py includes this router after the kit's routes.
host = DaprActor(router)  # pyright: ignore[reportArgumentType]


class Actors(DaprActorHttpClient):
    """The client of actor calls, by the app's HTTP session.

    The SDK's own asks for the sidecar's health with blocking calls, and opens a connection for each call.
    """

    def __init__(self, session: aiohttp.ClientSession, settings: Settings) -> None:
        self._client: Any = self
        self._session, self._seconds = session, settings.call_timeout_seconds
        self._actors = f"http://127.0.0.1:{settings.dapr_http_port}/v1.0/actors"

    def of(self, task_id: str) -> TaskCalls:
        """Return a proxy of a task's actor. Its methods raise Unavailable."""
        return cast("TaskCalls", ActorProxy(self, TYPE, ActorId(task_id), TaskCalls, JSON))

    def _get_base_url(self, actor_type: str, actor_id: str) -> str:
        return f"{self._actors}/{actor_type}/{actor_id}"

    async def send_bytes(self, method: str, url: str, data: bytes | None, **_: Any) -> tuple[bytes, Any]:
        """Send a call of the base class."""
        headers = {"content-type": "application/json"} if data else None
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._session.request(method, url, data=data, headers=headers) as answer,
            ):
                body = await answer.read()
        except TimeoutError as error:
            raise too_slow(TYPE, self._seconds) from error
        except aiohttp.ClientError as error:
            raise sidecar_down(error) from error
        if answer.status >= 300:
            raise Unavailable(503, TYPE, f"{TYPE} cannot be used now.", reason=body[:1_000].decode(errors="replace"))
        return body, answer


async def open_actors(
    settings: Settings, sdk: SdkClient, session: aiohttp.ClientSession, tasks: TaskState, faults: Faults
) -> Actors:
    """Register TaskActor before the app listens, and return the client."""
    actors, publisher = Actors(session, settings), Publisher(sdk, settings.pubsub_name, "task-api")

    def new(ctx: Any, actor_id: ActorId) -> TaskActor:
        return TaskActor(ctx, actor_id, tasks, publisher, faults)

    await host.register_actor(  # pyright: ignore[reportUnknownMemberType]
        TaskActor, actor_factory=new, actor_client=actors
    )
    return actors
