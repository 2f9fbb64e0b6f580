"""The stand-in sidecar's bindings, locks, configuration and cryptography."""

import queue
from collections.abc import Iterator
from typing import Any

import grpc
from dapr.proto import api_v1, common_v1
from dapr.proto.runtime.v1.dapr_pb2_grpc import DaprServicer

from kit.fakes.sidecar.memory import Sidecar

SCHEME = b"dapr.io/enc/v1\n"


class BlocksApi(DaprServicer):
    """A binding is a function of the test. Encrypted data is Dapr's header and the data backwards."""

    _sidecar: Sidecar

    def _begin(self, method: str, key: str, context: Any, *, is_state: bool = False) -> None:
        raise NotImplementedError

    def GetBulkSecret(self, request: Any, context: Any) -> Any:
        self._begin("GetBulkSecret", request.store_name, context)
        answer = api_v1.GetBulkSecretResponse()
        for name, value in self._sidecar.secrets[request.store_name].items():
            answer.data[name].secrets.update(keys_of(name, value))
        return answer

    def InvokeBinding(self, request: Any, context: Any) -> Any:
        self._begin("InvokeBinding", request.name, context)
        answer = self._sidecar.bind(request.name, request.operation, request.data, dict(request.metadata))
        if answer is None:
            context.abort(grpc.StatusCode.INTERNAL, f"error invoking output binding {request.name}")
        return api_v1.InvokeBindingResponse(data=answer or b"")

    def TryLockAlpha1(self, request: Any, context: Any) -> Any:
        self._begin("TryLock", request.resource_id, context)
        with self._sidecar.lock:
            owner = self._sidecar.locks.setdefault(request.resource_id, request.lock_owner)
        return api_v1.TryLockResponse(success=owner == request.lock_owner)

    def UnlockAlpha1(self, request: Any, context: Any) -> Any:
        self._begin("Unlock", request.resource_id, context)
        with self._sidecar.lock:
            self._sidecar.locks.pop(request.resource_id, None)
        return api_v1.UnlockResponse()

    def GetConfiguration(self, request: Any, context: Any) -> Any:
        self._begin("GetConfiguration", request.store_name, context)
        found = {key: _item(value) for key, value in self._sidecar.configuration.items() if key in request.keys}
        return api_v1.GetConfigurationResponse(items=found)

    def SubscribeConfiguration(self, request: Any, context: Any) -> Iterator[Any]:
        self._begin("SubscribeConfiguration", request.store_name, context)
        changes = queue.Queue[tuple[str, str]]()
        self._sidecar.watchers.append(changes)
        yield api_v1.SubscribeConfigurationResponse(id="1")
        while context.is_active():
            try:
                key, value = changes.get(timeout=0.02)
            except queue.Empty:
                continue
            yield api_v1.SubscribeConfigurationResponse(id="1", items={key: _item(value)})

    def EncryptAlpha1(self, request_iterator: Any, context: Any) -> Iterator[Any]:
        self._begin("Encrypt", "", context)
        data = b"".join(request.payload.data for request in request_iterator)
        return _streamed(api_v1.EncryptResponse, SCHEME + data[::-1])

    def DecryptAlpha1(self, request_iterator: Any, context: Any) -> Iterator[Any]:
        self._begin("Decrypt", "", context)
        data = b"".join(request.payload.data for request in request_iterator)
        if not data.startswith(SCHEME):
            context.abort(grpc.StatusCode.INTERNAL, "invalid header: scheme name not found")
        return _streamed(api_v1.DecryptResponse, data.removeprefix(SCHEME)[::-1])


def keys_of(name: str, secret: dict[str, str] | str) -> dict[str, str]:
    """Return the keys of a secret: its own name, unless it has several."""
    return {name: secret} if isinstance(secret, str) else secret


def _item(value: str) -> Any:
    text, _, version = value.partition("||")
    return common_v1.ConfigurationItem(value=text, version=version)


def _streamed(kind: Any, data: bytes) -> Iterator[Any]:
    for seq, start in enumerate(range(0, len(data), 65_536)):
        yield kind(payload=common_v1.StreamPayload(data=data[start : start + 65_536], seq=seq))
