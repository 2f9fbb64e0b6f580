"""The state store, through the sidecar's state API: many keys at once, each guarded by its ETag."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import failures
from dapr_api import DaprApi

# Dapr takes requests of up to 4 MB (--max-body-size).
REQUEST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Saved:
    """What is stored under a key: its value, and the ETag that guards it. Both None for a key that is not there."""

    value: dict[str, Any] | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Save:
    """A value to store if the key still has this ETag (None: if there is no such key), to be kept so many seconds."""

    key: str
    value: dict[str, Any]
    etag: str | None
    seconds: int


class Store:
    """Gets and saves. Raises DependencyFailed when the store or the sidecar is down."""

    def __init__(self, dapr: DaprApi, name: str, timeout_seconds: float) -> None:
        self._dapr = dapr
        self._name = name
        self._limit = timeout_seconds

    async def get(self, keys: Iterable[str]) -> dict[str, Saved]:
        """The stored values of all `keys`."""
        body = {"keys": list(keys), "parallelism": 20}
        answer = await self._dapr.call("POST", f"/v1.0/state/{self._name}/bulk", self._name, self._limit, body)
        if answer.status != 200:
            raise failures.bad_answer(self._name, answer.status, answer.error_code, answer.message)
        for item in answer.body:
            if item.get("error"):
                raise failures.bad_answer(self._name, 500, answer.error_code, str(item["error"]))
        return {item["key"]: Saved(_value(item.get("data")), item.get("etag")) for item in answer.body}

    async def save(self, saves: Iterable[Save]) -> bool:
        """Saves each on its own, in no order. False: at least one was not saved, because somebody else was first.

        Which one it was Dapr does not say, so get them again and look.
        """
        all_saved = True
        for request in _requests(_item(save) for save in saves):
            answer = await self._dapr.call("POST", f"/v1.0/state/{self._name}", self._name, self._limit, request)
            # A key that is there already is a plain 500 on Redis when no ETag was given.
            if answer.status == 409 or "failed to set key" in answer.message:
                all_saved = False
            elif answer.status >= 300:
                raise failures.bad_answer(self._name, answer.status, answer.error_code, answer.message)
        return all_saved


def _value(data: Any) -> dict[str, Any] | None:
    # What was stored as a string comes back as one from a store without encryption, and as what it says from one with.
    return json.loads(data) if isinstance(data, str) else data


def _item(save: Save) -> dict[str, Any]:
    return {
        "key": save.key,
        # As a string, because of an object Dapr 1.18 encrypts what Go prints of it (`map[runs:…]`), which is no JSON.
        "value": json.dumps(save.value),
        # An ETag alone would not do: without first-write, "no ETag" means "whatever is there".
        "options": {"concurrency": "first-write"},
        "metadata": {"ttlInSeconds": str(save.seconds)},
        **({"etag": save.etag} if save.etag else {}),
    }


def _requests(items: Iterable[dict[str, Any]]) -> Iterable[bytes]:
    """The bodies of as many requests as are needed, each a JSON list."""
    request: list[bytes] = []
    size = 0
    for item in items:
        encoded = json.dumps(item).encode()
        if request and size + len(encoded) > REQUEST_BYTES:
            yield b"[" + b",".join(request) + b"]"
            request, size = [], 0
        request.append(encoded)
        size += len(encoded)
    if request:
        yield b"[" + b",".join(request) + b"]"
