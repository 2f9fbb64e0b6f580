"""A stand-in for chat's sidecar with memory behind it: the Dapr API over gRPC and HTTP, from memory.

ETags, missing secrets and refused keys answer as Dapr 1.18.0 with Redis does (seen there).
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
from dapr.ext.workflow._durabletask.internal.orchestrator_service_pb2_grpc import (
    add_TaskHubSidecarServiceServicer_to_server,
)
from dapr.proto import api_service_v1, api_v1, common_v1
from google.protobuf import empty_pb2
from workflow_engine import WorkflowEngine

STATE_FAILURE = (grpc.StatusCode.INTERNAL, "failed saving state in state store statestore: failed to set key")


@dataclass
class Sidecar:
    """What the sidecar holds, and what it is to answer."""

    http_port: int = 0
    grpc_port: int = 0
    engine: WorkflowEngine = field(default_factory=WorkflowEngine)
    state: dict[str, tuple[bytes, int, dict[str, str]]] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(
        default_factory=lambda: {"secretstore": {"USER_HASH_KEY": "lab-key"}, "envsecretstore": {}}
    )
    published: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    memories: dict[str, dict[str, str]] = field(default_factory=dict)
    conversations: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    invoked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    converse: list[Any] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    ready: bool = True
    delivers: bool = True
    is_placed: bool = True
    lets_workers_in: bool = True
    looks: int = 0
    shutdowns: int = 0
    at_shutdown: Callable[[], None] = lambda: None
    state_is_down: bool = False
    state_delay: float = 0
    publish_delay: float = 0
    publish_fails: int = 0
    jobs_fail: int = 0
    memory_fails: int = 0
    memory_delay: float = 0
    memory_status: tuple[int, bytes] = (503, b'{"detail": "no"}')
    lock: Any = field(default_factory=threading.RLock)
    etags: int = 0

    def values(self, prefix: str) -> dict[str, Any]:
        """The state under keys that begin so."""
        with self.lock:
            return {key: json.loads(value) for key, (value, *_) in self.state.items() if key.startswith(prefix)}


class DaprApi(api_service_v1.DaprServicer):
    """The gRPC side."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.sidecar = sidecar

    def _called(self, context: Any) -> None:
        self.sidecar.tokens.append(dict(context.invocation_metadata()).get("dapr-api-token"))

    def GetState(self, request: Any, context: Any) -> Any:
        self._called(context)
        time.sleep(self.sidecar.state_delay)
        if self.sidecar.state_is_down:
            context.abort(grpc.StatusCode.INTERNAL, "fail to get")
        with self.sidecar.lock:
            value, etag, _ = self.sidecar.state.get(request.key, (b"", 0, {}))
        return api_v1.GetStateResponse(data=value, etag=str(etag) if value else "")

    def GetBulkState(self, request: Any, context: Any) -> Any:
        found = {key: self.GetState(api_v1.GetStateRequest(key=key), context) for key in request.keys}
        items = [api_v1.BulkStateItem(key=key, data=one.data, etag=one.etag) for key, one in found.items()]
        return api_v1.GetBulkStateResponse(items=items)

    def SaveState(self, request: Any, context: Any) -> Any:
        if self.sidecar.state_is_down:
            context.abort(*STATE_FAILURE)
        for item in request.states:
            if "||" in item.key:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "input key/keyPrefix can't contain '||'")
            with self.sidecar.lock:
                _, current, _ = self.sidecar.state.get(item.key, (b"", 0, {}))
                if item.HasField("etag") and item.etag.value != str(current):
                    context.abort(grpc.StatusCode.ABORTED, "possible etag mismatch. error from state store")
                first_write = item.options.concurrency == common_v1.StateOptions.CONCURRENCY_FIRST_WRITE
                if not item.HasField("etag") and first_write and current:
                    context.abort(*STATE_FAILURE)
                self.sidecar.etags += 1
                self.sidecar.state[item.key] = (item.value, self.sidecar.etags, dict(item.metadata))
        return empty_pb2.Empty()

    def DeleteState(self, request: Any, context: Any) -> Any:
        if self.sidecar.state_is_down:
            context.abort(*STATE_FAILURE)
        with self.sidecar.lock:
            self.sidecar.state.pop(request.key, None)
        return empty_pb2.Empty()

    def PublishEvent(self, request: Any, context: Any) -> Any:
        time.sleep(self.sidecar.publish_delay)
        with self.sidecar.lock:
            if self.sidecar.publish_fails > 0:
                self.sidecar.publish_fails -= 1
                context.abort(grpc.StatusCode.INTERNAL, "error when publish to topic conversations in pubsub pubsub")
            data, metadata = json.loads(request.data), dict(request.metadata)
            if request.pubsub_name != "pubsub" or request.topic != "conversations":
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "topic is not allowed for app id chat-service")
            told_before = [meta.get("cloudevent.id") for _, _, meta in self.sidecar.published]
            self.sidecar.published.append((request.topic, data, metadata))
            if self.sidecar.delivers and metadata.get("cloudevent.id") not in told_before:
                self.deliver(data)
        return empty_pb2.Empty()

    def deliver(self, data: dict[str, Any]) -> None:
        """What memory does with an event."""
        if data["event_type"] == "ConversationUpdated":
            said = {"timestamp": data["timestamp"], "message_id": data["message_id"]}
            new = {"name": data["user_id"], "preferred_style": "casual", "user_summary": ""}
            self.sidecar.memories.setdefault(data["user_id"], new)
            self.sidecar.conversations.setdefault(data["session_id"], []).extend(
                [
                    {"role": "user", "content": data["user_message"], **said},
                    {"role": "assistant", "content": data["assistant_reply"], **said},
                ]
            )

    def GetSecret(self, request: Any, context: Any) -> Any:
        found = self.sidecar.secrets.get(request.store_name)
        if found is None or request.key not in found:
            context.abort(grpc.StatusCode.INTERNAL, f"failed getting secret with key {request.key}")
        return api_v1.GetSecretResponse(data={request.key: found[request.key]})

    def Shutdown(self, request: Any, context: Any) -> Any:
        self._called(context)
        self.sidecar.shutdowns += 1
        self.sidecar.at_shutdown()
        return empty_pb2.Empty()

    def ConverseAlpha2(self, request: Any, context: Any) -> Any:
        self.sidecar.asked.append(request)
        answer = self.sidecar.converse.pop(0)
        if isinstance(answer, grpc.StatusCode):
            context.abort(answer, "no")
        return answer


def _http_handler(sidecar: Sidecar) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url, headers = urlsplit(self.path), {name.lower(): value for name, value in self.headers.items()}
            if url.path == "/v1.0/healthz/outbound":
                self._answer(204 if sidecar.ready else 500)
                return
            if url.path == "/v1.0/metadata":
                sidecar.looks += 1
                workers = sidecar.engine.connected if sidecar.lets_workers_in else 0
                told = {"actorRuntime": {"hostReady": sidecar.is_placed}, "workflows": {"connectedWorkers": workers}}
                self._answer(200, json.dumps(told).encode())
                return
            app_id, _, path = url.path.removeprefix("/v1.0/invoke/").partition("/method")
            assert app_id == "agent-memory-service", self.path
            sidecar.invoked.append((self.path.partition("/method")[2], headers))
            time.sleep(sidecar.memory_delay)
            with sidecar.lock:
                if sidecar.memory_fails > 0:
                    sidecar.memory_fails -= 1
                    self._answer(*sidecar.memory_status)
                    return
            known = sidecar.memories.get(path.removeprefix("/memories/"))
            if known is None:
                self._answer(404, b'{"title": "Not Found", "status": 404, "detail": "unknown"}')
                return
            asked = parse_qs(url.query)
            said = sidecar.conversations.get(asked["session_id"][0], [])
            self._answer(200, json.dumps({"history": said[-int(asked["limit"][0]) :], **known}).encode())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert self.path.startswith("/v1.0/jobs/"), self.path
            if sidecar.jobs_fail:
                sidecar.jobs_fail -= 1
                self._answer(500)
                return
            sidecar.jobs[self.path.removeprefix("/v1.0/jobs/")] = body
            self._answer(204)

        def _answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # whoever asked may have given up
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def running_sidecar() -> Iterator[Sidecar]:
    """A stand-in that listens on ports of its own."""
    sidecar = Sidecar()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _http_handler(sidecar))
    http.daemon_threads = True
    sidecar.http_port = http.server_port
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    with ThreadPoolExecutor(64) as pool:
        rpc = grpc.server(pool)
        api_service_v1.add_DaprServicer_to_server(DaprApi(sidecar), rpc)
        add_TaskHubSidecarServiceServicer_to_server(sidecar.engine, rpc)
        sidecar.grpc_port = rpc.add_insecure_port("127.0.0.1:0")
        rpc.start()
        yield sidecar
        sidecar.engine.release_starts()
        rpc.stop(0).wait()
    http.shutdown()
    http.server_close()
