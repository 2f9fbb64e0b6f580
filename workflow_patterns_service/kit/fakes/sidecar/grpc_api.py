"""The gRPC API of the stand-in sidecar."""

import json
import threading
from typing import Any

import grpc
from dapr.proto import api_v1, common_v1
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict

from kit.fakes.sidecar.blocks import BlocksApi, keys_of
from kit.fakes.sidecar.memory import Published, Sidecar, Value

DOWN = "dial tcp 127.0.0.1:6379: connection refused"
FIRST_WRITE = common_v1.StateOptions.CONCURRENCY_FIRST_WRITE
Fault = tuple[grpc.StatusCode, str]


class DaprApi(BlocksApi):
    """State with ETags a key, events, secrets, jobs, and the Conversation API.

    It keeps the oddities of Dapr 1.18 with Redis. A bulk save does not roll back. An ETag is accepted
    when its key is gone. A first write of a key that exists is INTERNAL, as is a store that is down.
    Then a bulk read has an error for each key, and succeeds.
    """

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar

    def GetState(self, request: Any, context: Any) -> Any:
        self._begin("GetState", request.key, context, is_state=True)
        data, etag = self._read(request.store_name, request.key)
        return api_v1.GetStateResponse(data=data, etag=etag)

    def GetBulkState(self, request: Any, context: Any) -> Any:
        self._begin("GetBulkState", ",".join(request.keys), context, is_state=True)
        answer = api_v1.GetBulkStateResponse()
        for key in request.keys:
            data, etag = self._read(request.store_name, key)
            found = {"error": DOWN} if self._sidecar.is_down else {"data": data, "etag": etag}
            answer.items.add(key=key, **found)
        return answer

    def SaveState(self, request: Any, context: Any) -> Any:
        for item in request.states:
            self._begin("SaveState", item.key, context, is_state=True)
        faults = [fault for item in request.states if (fault := self._save(request.store_name, item))]
        for item in request.states:
            self._end("SaveState", item.key, context)
        if faults:
            aborted = [fault for fault in faults if fault[0] is grpc.StatusCode.ABORTED]
            context.abort(*(aborted or faults)[0])
        return Empty()

    def DeleteState(self, request: Any, context: Any) -> Any:
        self._begin("DeleteState", request.key, context, is_state=True)
        with self._sidecar.lock:
            there = self._sidecar.values.get((request.store_name, request.key))
            if there and request.HasField("etag") and request.etag.value != str(there.version):
                context.abort(grpc.StatusCode.ABORTED, "possible etag mismatch")
            self._sidecar.values.pop((request.store_name, request.key), None)
        self._end("DeleteState", request.key, context)
        return Empty()

    def ExecuteStateTransaction(self, request: Any, context: Any) -> Any:
        operations = [(one.operationType, one.request) for one in request.operations]
        self._begin("ExecuteStateTransaction", ",".join(item.key for _, item in operations), context, is_state=True)
        projected = {item.key: item.value for _, item in operations if "outbox.projection" in item.metadata}
        for kind, item in operations:
            if kind == "delete":
                self._sidecar.values.pop((request.storeName, item.key), None)
            elif "outbox.projection" not in item.metadata:
                self._save(request.storeName, item)
                # The event of the outbox. Dapr publishes it later, on the topic that the component names.
                event = {**item.metadata, "data": json.loads(projected.get(item.key, item.value))}
                self._sidecar.published.append(Published("outbox", event, request.storeName))
        self._end("ExecuteStateTransaction", ",".join(item.key for _, item in operations), context)
        return Empty()

    def PublishEvent(self, request: Any, context: Any) -> Any:
        self._begin("PublishEvent", request.topic, context)
        event = json.loads(request.data)
        if request.data_content_type != "application/cloudevents+json":
            metadata = {key.removeprefix("cloudevent."): value for key, value in request.metadata.items()}
            event = {**metadata, "data": event}
        traceparent = dict(context.invocation_metadata()).get("traceparent")
        self._sidecar.published.append(Published(request.topic, event, request.pubsub_name, traceparent))
        self._end("PublishEvent", request.topic, context)
        return Empty()

    def GetSecret(self, request: Any, context: Any) -> Any:
        self._begin("GetSecret", request.key, context)
        if request.store_name not in self._sidecar.secrets:
            message = f"failed finding secret store with key {request.store_name}"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        store = self._sidecar.secrets[request.store_name]
        if request.key not in store:
            context.abort(grpc.StatusCode.INTERNAL, f"failed getting secret with key {request.key}")
        return api_v1.GetSecretResponse(data=keys_of(request.key, store[request.key]))

    def ScheduleJob(self, request: Any, context: Any) -> Any:
        self._begin("ScheduleJob", request.job.name, context)
        if request.job.name in self._sidecar.jobs and not request.overwrite:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"job already exists: '{request.job.name}'")
        job: dict[str, Any] = MessageToDict(request.job)
        if "data" in job:
            job["data"] = job["data"].get("value")
        self._sidecar.jobs[request.job.name] = job
        self._end("ScheduleJob", request.job.name, context)
        return api_v1.ScheduleJobResponse()

    def DeleteJob(self, request: Any, context: Any) -> Any:
        self._begin("DeleteJob", request.name, context)
        self._sidecar.jobs.pop(request.name, None)
        self._end("DeleteJob", request.name, context)
        return api_v1.DeleteJobResponse()

    def ConverseAlpha2(self, request: Any, context: Any) -> Any:
        self._begin("ConverseAlpha2", request.name, context)
        self._sidecar.asked.append(request)
        answer = self._sidecar.converse.pop(0)
        if isinstance(answer, grpc.StatusCode):
            context.abort(answer, "no")
        if isinstance(answer, threading.Event):
            answer.wait(5)
            context.abort(grpc.StatusCode.UNAVAILABLE, "late")
        return answer

    def _read(self, store: str, key: str) -> tuple[bytes, str]:
        with self._sidecar.lock:
            there = self._sidecar.values.get((store, key))
        return (there.data, str(there.version)) if there else (b"", "")

    def _save(self, store: str, item: Any) -> Fault | None:
        etag = item.etag.value if item.HasField("etag") else ""
        if etag and not etag.isdecimal():
            return grpc.StatusCode.INVALID_ARGUMENT, "invalid etag value"
        with self._sidecar.lock:
            there = self._sidecar.values.get((store, item.key))
            if there and etag != str(there.version) and (etag or there.is_marked):
                code = grpc.StatusCode.ABORTED if etag else grpc.StatusCode.INTERNAL
                return code, f"failed saving state in state store {store}: failed to set key {item.key}"
            ttl = there.ttl if there else None
            # Without a TTL a write leaves the key's as it was, and -1 takes it away.
            if "ttlInSeconds" in item.metadata:
                ttl = int(item.metadata["ttlInSeconds"])
            marked = item.options.concurrency == FIRST_WRITE or (there is not None and there.is_marked)
            self._sidecar.values[store, item.key] = Value(item.value, there.version + 1 if there else 1, ttl, marked)
        return None

    def _begin(self, method: str, key: str, context: Any, *, is_state: bool = False) -> None:
        sidecar = self._sidecar
        # Those of this test: a call that its client gave up may go on in the next one.
        calls, tokens = sidecar.calls, sidecar.tokens
        sidecar.released.wait(5)
        sidecar.before(method, key)
        with sidecar.lock:
            calls.append((method, key))
            tokens.add(dict(context.invocation_metadata()).get("dapr-api-token"))
        if is_state and "||" in key:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "input key/keyPrefix can't contain '||'")
        if is_state and sidecar.is_down and method != "GetBulkState":
            context.abort(grpc.StatusCode.INTERNAL, DOWN)
        if refusal := sidecar.refuse(method, key):
            context.abort(*refusal)

    def _end(self, method: str, key: str, context: Any) -> None:
        if loss := self._sidecar.lose(method, key):
            context.abort(*loss)
