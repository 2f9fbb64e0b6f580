"""Tests of agent-memory without Dapr: the service in this process, beside a stand-in for its sidecar.

The stand-in speaks Dapr's gRPC API for state, events, secrets and jobs. Its state store treats ETags as Dapr 1.18 with
Redis does (components-contrib 1.18, state/redis), with what is odd about it: see store.py. That the real one does so is
shown by the repository's tests against the Dapr runtime.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from dapr.proto.runtime.v1 import jobs_pb2, secret_pb2, state_pb2
from dapr.proto.runtime.v1.dapr_pb2_grpc import DaprServicer, add_DaprServicer_to_server
from fastapi.testclient import TestClient
from google.protobuf.empty_pb2 import Empty

from main import create_app
from models import ConversationUpdated
from settings import Settings
from user_hash import user_hash
from wiring import Parts, running

SERVICE = Path(__file__).parent.parent
KEY = "test-key"
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


# The client of the tests would tell of each request, at the level that the service logs at.
logging.getLogger("httpx2").setLevel("WARNING")


@pytest.fixture(autouse=True, scope="session")
def _only_the_settings_of_the_tests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in Settings.model_fields:
            environment.delenv(name.upper(), raising=False)
        yield


@dataclass
class Sidecar:
    """A stand-in for the sidecar. What it holds can be read and its failures ordered."""

    http_port: int = 0
    grpc_port: int = 0
    ready: bool = True
    state: dict[str, tuple[bytes, int, bool]] = field(default_factory=dict)
    # The TTL that a key was last given, in seconds; -1 when it was to have none.
    ttls: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=lambda: {"USER_HASH_KEY": KEY})
    published: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    jobs: dict[str, Any] = field(default_factory=dict)
    # Called before each write with (method, key); may raise a grpc error by returning (code, text).
    before_write: Callable[[str, str], tuple[grpc.StatusCode, str] | None] | None = None
    # The same after a save was done: its answer is lost.
    after_save: Callable[[str, str], tuple[grpc.StatusCode, str] | None] | None = None
    down: bool = False
    hangs: threading.Event | None = None
    # What the conversation component answers, one after the other; a status is an error, an Event is waited for.
    converse: list[Any] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def reset(self) -> None:
        """Back to an empty, healthy sidecar."""
        if self.hangs:
            self.hangs.set()
        vars(self).update(vars(Sidecar(self.http_port, self.grpc_port)))

    def value(self, key: str) -> Any:
        """What is stored under a key; None when it is not there."""
        return json.loads(self.state[key][0]) if key in self.state else None

    def expire(self) -> None:
        """Lets the time pass until every key that expires has done so."""
        for key in [key for key, seconds in self.ttls.items() if seconds > 0]:
            del self.state[key], self.ttls[key]

    def everything(self) -> str:
        """All keys and values, as one text to search."""
        return "\n".join(f"{key} = {data.decode()}" for key, (data, _, _) in self.state.items())

    def events(self, topic: str) -> list[dict[str, Any]]:
        """The data of what was published on a topic."""
        return [data for on, _, data in self.published if on == topic]


class Dapr(DaprServicer):
    """The methods of Dapr's API that the service calls."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar

    def GetState(self, request: Any, context: Any) -> state_pb2.GetStateResponse:
        self._serve(context)
        data, version, _ = self._sidecar.state.get(request.key, (b"", "", False))
        return state_pb2.GetStateResponse(data=data, etag=str(version))

    def GetBulkState(self, request: Any, context: Any) -> state_pb2.GetBulkStateResponse:
        self._serve(context)
        answer = state_pb2.GetBulkStateResponse()
        for key in request.keys:
            data, version, _ = self._sidecar.state.get(key, (b"", "", False))
            answer.items.add(key=key, data=data, etag=str(version))
        return answer

    def SaveState(self, request: Any, context: Any) -> Empty:
        (item,) = request.states
        self._serve(context, "save", item.key)
        with self._sidecar.lock:
            present = self._sidecar.state.get(item.key)
            etag = item.etag.value if item.HasField("etag") else ""
            if present is None:
                version, marked = 0, False
            else:
                _, version, marked = present
                if etag != str(version) and not (etag == "" and not marked):
                    code = grpc.StatusCode.ABORTED if etag else grpc.StatusCode.INTERNAL
                    context.abort(code, f"failed to set key {item.key}")
            first_write = item.options.concurrency == 1
            self._sidecar.state[item.key] = (item.value, version + 1, marked or first_write)
            # As Redis has it: without a TTL a write leaves the key's as it was, and -1 takes it away.
            if "ttlInSeconds" in item.metadata:
                self._sidecar.ttls[item.key] = int(item.metadata["ttlInSeconds"])
        self._sidecar.writes.append(item.key)
        if self._sidecar.after_save and (error := self._sidecar.after_save("save", item.key)):
            context.abort(*error)
        return Empty()

    def DeleteState(self, request: Any, context: Any) -> Empty:
        self._serve(context, "delete", request.key)
        with self._sidecar.lock:
            present = self._sidecar.state.get(request.key)
            etag = request.etag.value if request.HasField("etag") else ""
            if present and etag and etag != str(present[1]):
                context.abort(grpc.StatusCode.ABORTED, f"failed to delete {request.key}")
            self._sidecar.state.pop(request.key, None)
        return Empty()

    def ExecuteStateTransaction(self, request: Any, context: Any) -> Empty:
        for operation in request.operations:
            assert operation.operationType == "delete"
            self._serve(context, "delete", operation.request.key)
            with self._sidecar.lock:
                self._sidecar.state.pop(operation.request.key, None)
        return Empty()

    def PublishEvent(self, request: Any, context: Any) -> Empty:
        self._serve(context, "publish", request.topic)
        assert request.data_content_type == "application/json"
        self._sidecar.published.append((request.topic, dict(request.metadata), json.loads(request.data)))
        return Empty()

    def GetSecret(self, request: Any, context: Any) -> secret_pb2.GetSecretResponse:
        self._serve(context)
        if request.store_name != "secretstore":
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, f"failed finding secret store with key {request.store_name}"
            )
        if request.key not in self._sidecar.secrets:
            context.abort(grpc.StatusCode.INTERNAL, f"secret {request.key} not found")
        return secret_pb2.GetSecretResponse(data={request.key: self._sidecar.secrets[request.key]})

    def ScheduleJob(self, request: Any, context: Any) -> jobs_pb2.ScheduleJobResponse:
        self._serve(context, "schedule", request.job.name)
        self._sidecar.jobs[request.job.name] = request.job
        return jobs_pb2.ScheduleJobResponse()

    def ConverseAlpha2(self, request: Any, context: Any) -> Any:
        self._serve(context)
        self._sidecar.asked.append(request)
        answer = self._sidecar.converse.pop(0)
        if isinstance(answer, grpc.StatusCode):
            context.abort(answer, "no")
        if isinstance(answer, threading.Event):
            answer.wait(5)
            context.abort(grpc.StatusCode.UNAVAILABLE, "late")
        return answer

    def _serve(self, context: Any, method: str = "", key: str = "") -> None:
        if "||" in key:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "input key/keyPrefix can't contain '||'")
        if self._sidecar.hangs:
            self._sidecar.hangs.wait(5)
        if self._sidecar.down:
            context.abort(grpc.StatusCode.INTERNAL, "dial tcp 127.0.0.1:6379: connection refused")
        if method and self._sidecar.before_write and (error := self._sidecar.before_write(method, key)):
            context.abort(*error)


def _health(sidecar: Sidecar) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204 if self.path == "/v1.0/healthz/outbound" and sidecar.ready else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def running_sidecar() -> Iterator[Sidecar]:
    """A stand-in sidecar on ports of its own."""
    sidecar = Sidecar()
    rpc = grpc.server(ThreadPoolExecutor(16))
    add_DaprServicer_to_server(Dapr(sidecar), rpc)
    sidecar.grpc_port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    with ThreadingHTTPServer(("127.0.0.1", 0), _health(sidecar)) as http:
        sidecar.http_port = http.server_port
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield sidecar
        sidecar.reset()
        http.shutdown()
    rpc.stop(None).wait()


@pytest.fixture(scope="session")
def _sidecar_of_the_session() -> Iterator[Sidecar]:
    with running_sidecar() as running_one:
        yield running_one


@pytest.fixture
def sidecar(_sidecar_of_the_session: Sidecar) -> Iterator[Sidecar]:
    """A healthy, empty stand-in sidecar, for this test alone."""
    _sidecar_of_the_session.reset()
    yield _sidecar_of_the_session
    _sidecar_of_the_session.reset()


def settings_beside(sidecar: Sidecar, **settings: Any) -> Settings:
    """Settings of a service whose sidecar this is, without waits."""
    ports = {"dapr_http_port": sidecar.http_port, "dapr_grpc_port": sidecar.grpc_port}
    quick = {
        "summary_delay_seconds": 0.0,
        "summary_retry_seconds": 0.01,
        "faults_enabled": True,
        "sidecar_timeout_seconds": 2.0,
    }
    return Settings(_env_file=None, **(ports | quick | settings))


class Service(TestClient):
    """A running service, and the words of its stories."""

    sidecar: Sidecar

    def deliver(self, *events: dict[str, Any]) -> Any:
        """Delivers events as Dapr does, and returns the last answer."""
        for event in events:
            answer = self.post("/events/conversations", json=cloud_event(event))
        return answer

    def wait(self, condition: Callable[[], Any], seconds: float = 20) -> Any:
        """Waits for a condition, and returns what it is."""
        return wait_until(condition, seconds)

    def fire(self, prefix: str) -> None:
        """Has the jobs with this prefix called, as Dapr does when they are due."""
        for name in [name for name in self.sidecar.jobs if name.startswith(prefix)]:
            del self.sidecar.jobs[name]
            assert self.post(f"/job/{name}", json=None).json() == {"status": "done"}

    def forget(self, user_id: str) -> None:
        """Forgets a user to the end."""
        assert self.delete(f"/memories/{user_id}").status_code == 202
        self.fire("forget-")


@pytest.fixture
def serve(sidecar: Sidecar) -> Iterator[Callable[..., Service]]:
    """Makes a service with these settings, beside the stand-in sidecar."""
    with ExitStack() as open_ones:

        def start(**settings: object) -> Service:
            client = Service(create_app(settings_beside(sidecar, **settings)), raise_server_exceptions=False)
            client.sidecar = sidecar
            return open_ones.enter_context(client)

        yield start


@pytest.fixture
def client(serve: Callable[..., Service]) -> Service:
    """A service with its fault switches on."""
    return serve()


@asynccontextmanager
async def replicas(sidecar: Sidecar, count: int, **settings: Any) -> AsyncIterator[list[Parts]]:
    """So many running services that share one store, in this event loop."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(settings_beside(sidecar, **settings))) for _ in range(count)]


async def at_once(calls: list[Callable[[], Awaitable[Any]]], width: int) -> None:
    """Makes the calls, `width` at a time; raises the first error."""
    gate = asyncio.Semaphore(width)

    async def one(call: Callable[[], Awaitable[Any]]) -> None:
        async with gate:
            await call()

    async with asyncio.TaskGroup() as group:
        for call in calls:
            group.create_task(one(call))


def turn(number: int, user_id: str = "ada", session_id: str = "s-1", **fields: Any) -> dict[str, Any]:
    """The data of the event of turn `number`, a second after the one before."""
    return {
        "user_id": user_id,
        "session_id": session_id,
        "event_type": "ConversationUpdated",
        "user_message": f"question {number}",
        "assistant_reply": f"answer {number}",
        "message_id": f"m-{number}",
        "timestamp": (START + timedelta(seconds=number)).isoformat(),
    } | fields


def an_event(number: int, **fields: Any) -> ConversationUpdated:
    """The same as the service sees it."""
    return ConversationUpdated.model_validate(turn(number, **fields))


def cloud_event(data: Any, **fields: Any) -> dict[str, Any]:
    """An event as Dapr delivers it."""
    event_id = data.get("message_id", "e-1") if isinstance(data, dict) else "e-1"
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "chat-service",
        "type": "ConversationUpdated",
        "datacontenttype": "application/json",
        "pubsubname": "pubsub",
        "topic": "conversations",
        "data": data,
    } | fields


def hash_of(user_id: str) -> str:
    """The hash that stands for a user in the tests' keys."""
    return user_hash(KEY, user_id)


def wait_until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Polls a condition; returns its first true value, and fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value
