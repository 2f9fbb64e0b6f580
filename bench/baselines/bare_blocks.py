"""The client and the app of `./lab bench blocks`: each building block beside the thing under it, one call at a time.

`redis_…` rows use redis-py, `…_http` rows aiohttp with one session, `…_sdk` rows the SDK's asynchronous client.
The route, the actor and the handlers do nothing. They live in this process, behind the sidecar that the client calls.
"""

import asyncio
import json
import os
import time
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import uuid4

import aiohttp
from bare_workflows import app, bare_steps
from dapr.actor import ActorId, ActorProxy
from dapr.aio.clients import DaprClient
from fastapi import Depends, Request
from redis.asyncio import Redis

STORE, PUBSUB, LOCKS, ACTOR = "baselinestore", "baselinepubsub", "baselinelocks", "BareActor"
# Nobody subscribes to the first, so no delivery runs beside a measured publish.
UNREAD, READ = "bare-unread", "bare-read"
BATCH = 100  # events of one bulk publish
DATA = {"title": "x" * 80}
VALUE = json.dumps(DATA)
EVENT = "x" * 400  # about as long as the CloudEvent that Dapr makes of it
PATIENCE = 60  # seconds for a callback

Calls = dict[str, Callable[[], Awaitable[Any]]]
arrivals: dict[str, asyncio.Event] = {}
made: list[Calls] = []


async def calls(request: Request) -> Calls:
    """Return one call for each row. The clients are made at the first request, because the SDK's wait for a sidecar."""
    if made:
        return made[0]
    warnings.simplefilter("ignore")  # each call of the lock API says that it is alpha
    http = aiohttp.ClientSession(f"http://127.0.0.1:{os.environ['DAPR_HTTP_PORT']}")
    redis, sdk = Redis(port=int(os.environ["REDIS_PORT"])), DaprClient()
    actor = ActorProxy.create(ACTOR, ActorId("sdk"))

    async def ask(method: str, path: str, body: Any = None) -> None:
        async with http.request(method, path, json=body) as answer:
            answer.raise_for_status()
            await answer.read()

    async def bulk() -> None:
        answer = await sdk.publish_events(PUBSUB, UNREAD, [VALUE] * BATCH, data_content_type="application/json")
        assert not answer.failed_entries

    async def redis_lock() -> None:
        assert await redis.set("bare-lock", "me", nx=True, ex=30)
        await redis.delete("bare-lock")

    async def lock_http() -> None:
        body = {"resourceId": "http", "lockOwner": "me"}
        await ask("POST", f"/v1.0-alpha1/lock/{LOCKS}", body | {"expiryInSeconds": 30})
        await ask("POST", f"/v1.0-alpha1/unlock/{LOCKS}", body)

    async def lock_sdk() -> None:
        assert (await sdk.try_lock(LOCKS, "sdk", "me", 30)).success
        await sdk.unlock(LOCKS, "sdk", "me")

    async def event() -> None:
        async with arrival() as name:
            await ask("POST", f"/v1.0/publish/{PUBSUB}/{READ}", {"name": name})

    async def job() -> None:
        async with arrival() as name:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            await ask("POST", f"/v1.0/jobs/{name}", {"dueTime": now, "data": {"name": name}})

    async def workflow() -> None:
        flows = request.state.client
        instance = await flows.schedule_new_workflow(bare_steps, input=1, instance_id=uuid4().hex)
        state = await flows.wait_for_workflow_completion(instance, timeout_in_seconds=PATIENCE)
        assert state.runtime_status.name == "COMPLETED"

    app_port = os.environ["APP_PORT"]
    rows: Calls = {
        "redis_get": lambda: redis.get("bare-key"),
        "state_get_http": lambda: ask("GET", f"/v1.0/state/{STORE}/key"),
        "state_get_sdk": lambda: sdk.get_state(STORE, "key"),
        "redis_set": lambda: redis.set("bare-key", VALUE),
        "state_save_http": lambda: ask("POST", f"/v1.0/state/{STORE}", [{"key": "key", "value": VALUE}]),
        "state_save_sdk": lambda: sdk.save_state(STORE, "key", VALUE),
        "redis_xadd": lambda: redis.xadd("bare-stream", {"data": EVENT}),
        "publish_http": lambda: ask("POST", f"/v1.0/publish/{PUBSUB}/{UNREAD}", DATA),
        "publish_sdk": lambda: sdk.publish_event(PUBSUB, UNREAD, VALUE, data_content_type="application/json"),
        "publish_bulk_sdk": bulk,
        "redis_lock": redis_lock,
        "lock_http": lock_http,
        "lock_sdk": lock_sdk,
        "invoke_http": lambda: ask("PUT", "/v1.0/invoke/bare-blocks/method/nothing", {}),
        "direct": lambda: ask("PUT", f"http://127.0.0.1:{app_port}/nothing", {}),
        "actor_http": lambda: ask("PUT", f"/v1.0/actors/{ACTOR}/http/method/nothing", {}),
        "actor_sdk": lambda: actor.invoke_method("nothing", b"{}"),
        "event_handled": event,
        "job_fired": job,
        "workflow_done": workflow,
    }
    made.append(rows)
    return rows


@asynccontextmanager
async def arrival() -> AsyncGenerator[str]:
    """Lend a name, and wait until a callback has named it."""
    name = uuid4().hex
    arrivals[name] = asyncio.Event()
    yield name
    async with asyncio.timeout(PATIENCE):
        await arrivals[name].wait()
    del arrivals[name]


@app.post("/measure/{row}")
async def measure(row: str, seconds: float, calls: Annotated[Calls, Depends(calls)]) -> list[float]:
    """Call for that many seconds, at least once, each call after the last one. Return the seconds of each."""
    took: list[float] = []
    begin = time.perf_counter()
    while not took or time.perf_counter() - begin < seconds:
        started = time.perf_counter()
        await calls[row]()
        took.append(time.perf_counter() - started)
    return [one / BATCH for one in took] if row == "publish_bulk_sdk" else took


@app.get("/dapr/config")
async def actors() -> dict[str, Any]:
    return {"entities": [ACTOR]}


@app.get("/dapr/subscribe")
async def subscriptions() -> list[dict[str, str]]:
    return [{"pubsubname": PUBSUB, "topic": READ, "route": "/event"}]


@app.put("/nothing")
@app.put(f"/actors/{ACTOR}/{{actor_id}}/method/nothing")
@app.delete(f"/actors/{ACTOR}/{{actor_id}}")
async def nothing() -> dict[str, str]:
    return {}


@app.post("/event")
async def handle(event: dict[str, Any]) -> dict[str, str]:
    arrived(event["data"]["name"])
    return {"status": "SUCCESS"}


@app.post("/job/{name}")
async def fired(name: str) -> None:
    arrived(name)


def arrived(name: str) -> None:
    if waiting := arrivals.get(name):  # delivery is at least once, so it may be gone
        waiting.set()
