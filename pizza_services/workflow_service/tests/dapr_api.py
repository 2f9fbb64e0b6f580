"""State store, topic and jobs behind the stand-in sidecar, as Dapr 1.18 with Redis answers (tried on 1.18.0)."""

import json
import threading
from collections.abc import Callable
from typing import Any

import grpc
from dapr.proto import api_v1
from dapr.proto.runtime.v1.dapr_pb2_grpc import DaprServicer
from google.protobuf.empty_pb2 import Empty


class DaprApi(DaprServicer):
    """Keeps state in memory with an ETag a key, and notes what is published and which jobs there are."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        # While it is not set, nothing is published, and whoever wants to waits.
        self.publishes = threading.Event()
        self.reset()

    def reset(self) -> None:
        """An empty store and an empty topic."""
        self.publishes.set()
        with self.lock:
            self.state: dict[str, tuple[bytes, int]] = {}
            self.published: list[tuple[str, dict[str, Any]]] = []
            self.jobs: dict[str, Any] = {}
            self.fail_publishing = 0
            self.fail_jobs = False
            self.fail_store = False
            self.lose_answers = 0
            self.shutdowns = 0
            self.at_shutdown: Callable[[], None] = lambda: None
            self.at_delete_job: Callable[[], None] = lambda: None
            self.tokens: set[str | None] = set()

    def document(self, key: str) -> dict[str, Any]:
        """The JSON document under a key."""
        return json.loads(self.state[key][0])

    def events(self) -> list[dict[str, Any]]:
        """The data of what was published on topic `orders`, each event once, in the order of the sequence."""
        once = {event["id"]: event["data"] for topic, event in self.published if topic == "orders"}
        return sorted(once.values(), key=lambda data: data["sequence"])

    def GetState(self, request: Any, context: Any) -> Any:
        self._note(context)
        if self.fail_store:
            context.abort(grpc.StatusCode.INTERNAL, "redis: connection refused")
        assert request.store_name == "pizzastatestore"
        with self.lock:
            value, etag = self.state.get(request.key, (b"", 0))
        return api_v1.GetStateResponse(data=value, etag=str(etag) if value else "")

    def SaveState(self, request: Any, context: Any) -> Any:
        self._note(context)
        if self.fail_store:
            context.abort(grpc.StatusCode.INTERNAL, "redis: connection refused")
        with self.lock:
            for item in request.states:
                assert "||" not in item.key
                _, etag = self.state.get(item.key, (b"", 0))
                if item.HasField("etag") and item.etag.value != str(etag):
                    context.abort(grpc.StatusCode.ABORTED, "possible etag mismatch")
                if not item.HasField("etag") and item.options.concurrency == 1 and etag:
                    context.abort(grpc.StatusCode.INTERNAL, "failed saving state: first write")
                self.state[item.key] = (item.value, etag + 1)
                if self.lose_answers:
                    # What is left when Redis dies before it answers, and the sidecar tries again: its own write.
                    self.lose_answers -= 1
                    status = grpc.StatusCode.ABORTED if item.HasField("etag") else grpc.StatusCode.INTERNAL
                    context.abort(status, "failed saving state")
        return Empty()

    def PublishEvent(self, request: Any, context: Any) -> Any:
        self._note(context)
        self.publishes.wait(5)
        with self.lock:
            if self.fail_publishing:
                self.fail_publishing -= 1
                context.abort(grpc.StatusCode.INTERNAL, "error when publishing")
            assert request.pubsub_name == "pizzapubsub"
            assert request.data_content_type == "application/cloudevents+json"
            self.published.append((request.topic, json.loads(request.data)))
        return Empty()

    def ScheduleJob(self, request: Any, context: Any) -> Any:
        self._note(context)
        if self.fail_jobs:
            context.abort(grpc.StatusCode.INTERNAL, "failed to schedule job due to error")
        assert request.overwrite
        self.jobs[request.job.name] = request.job
        return api_v1.ScheduleJobResponse()

    def DeleteJob(self, request: Any, context: Any) -> Any:
        self._note(context)
        if self.fail_jobs:
            context.abort(grpc.StatusCode.INTERNAL, "failed to delete job due to error")
        self.at_delete_job()
        self.jobs.pop(request.name, None)
        return api_v1.DeleteJobResponse()

    def Shutdown(self, request: Any, context: Any) -> Any:
        self._note(context)
        self.shutdowns += 1
        self.at_shutdown()
        return Empty()

    def _note(self, context: Any) -> None:
        self.tokens.add(dict(context.invocation_metadata()).get("dapr-api-token"))
