"""The memory of a stand-in sidecar, its record of calls, and the hooks that make it fail."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grpc

Refusal = tuple[grpc.StatusCode, str]
# As kit.sidecar.store has it. An import would bring the whole store into services that have none.
KEY_CHECK = "key-check"


class Value(NamedTuple):
    """A stored value: `ttl` is the last one it got, in seconds (None: none); `is_marked` by a first write."""

    data: bytes
    version: int
    ttl: int | None
    is_marked: bool


class Published(NamedTuple):
    """An event: its envelope as its publisher sent it, or as much of one as its metadata says."""

    topic: str
    event: dict[str, Any]
    pubsub: str
    traceparent: str | None = None

    @property
    def data(self) -> Any:
        """What the event is about."""
        return self.event["data"]


class Invocation(NamedTuple):
    """A call of another app. `path` includes the query; names of headers are in lower case."""

    app_id: str
    verb: str
    path: str
    body: Any
    headers: dict[str, str]


def _nothing(*_: object) -> None:
    return None


def _no_data(*_: object) -> bytes:
    return b""


@dataclass
class Sidecar:
    """A stand-in sidecar. Its hooks get the name of a gRPC method and a key: of state, a topic, a secret or a job."""

    http_port: int = 0
    grpc_port: int = 0
    others: list[Callable[[grpc.Server], object]] = field(default_factory=list[Any])

    ready: bool = True
    # The whole state store fails, as it does while Redis is down.
    is_down: bool = False
    # While it is not set, every gRPC call waits (for 5 s).
    released: threading.Event = field(default_factory=threading.Event)
    # Runs before a call is carried out: a test may let something else happen in between.
    before: Callable[[str, str], object] = _nothing
    # Answers instead of carrying the call out, when it returns an error.
    refuse: Callable[[str, str], Refusal | None] = _nothing
    # The same after the call was carried out: its answer is lost.
    lose: Callable[[str, str], Refusal | None] = _nothing
    calls: list[tuple[str, str]] = field(default_factory=list[Any])
    tokens: set[str | None] = field(default_factory=set[Any])

    values: dict[tuple[str, str], Value] = field(default_factory=dict[Any, Any])
    published: list[Published] = field(default_factory=list[Any])
    # A secret is a text, or several by key.
    secrets: dict[str, dict[str, dict[str, str] | str]] = field(
        default_factory=lambda: {"secretstore": {}, "envsecretstore": {}}
    )
    # Jobs in the words of Dapr's HTTP API, with their data unpacked; `refuse_job` gives the scheduler's reason.
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict[Any, Any])
    refuse_job: Callable[[dict[str, Any]], str | None] = _nothing
    # Answers jobs over HTTP instead: status, error code, message.
    jobs_answer: tuple[int, str, str] | None = None
    # The apps that can be invoked: app id → a function that returns status, JSON or bytes, and perhaps headers.
    apps: dict[str, Callable[[Invocation], Any]] = field(default_factory=dict[Any, Any])
    invoked: list[Invocation] = field(default_factory=list[Any])
    # What the conversation component answers, one after the other. A status is an error, an event is waited for.
    converse: list[Any] = field(default_factory=list[Any])
    asked: list[Any] = field(default_factory=list[Any])

    # What a binding does with its name, operation, data and metadata; None is a failure.
    bind: Callable[[str, str, bytes, dict[str, str]], bytes | None] = _no_data
    # The owners of locks, by name.
    locks: dict[str, str] = field(default_factory=dict[Any, Any])
    # Values in the form "value||version", and a queue for each subscription.
    configuration: dict[str, str] = field(default_factory=dict[Any, Any])
    watchers: list[Any] = field(default_factory=list[Any])

    # The metadata that health checks read, and how often they did.
    connected_workers: Callable[[], int] = lambda: 0
    is_placed: bool = True
    looks: int = 0
    shutdowns: int = 0
    at_shutdown: Callable[[], object] = _nothing
    lock: Any = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.released.set()

    @property
    def ports(self) -> dict[str, Any]:
        """The settings of a service that this is the sidecar of."""
        return {"dapr_http_port": self.http_port, "dapr_grpc_port": self.grpc_port}

    def reset(self) -> None:
        """Go back to a healthy sidecar that holds nothing."""
        self.released.set()
        vars(self).update(vars(Sidecar(self.http_port, self.grpc_port, self.others)))

    def value(self, key: str, store: str | None = None) -> Any:
        """Return the JSON under a key, of this store or of any; None if there is none."""
        with self.lock:
            found = [one.data for (name, at), one in self.values.items() if at == key and store in (None, name)]
        return json.loads(found[0]) if found else None

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that begin so, in the order in which they were created, without the note of `check_key`."""
        with self.lock:
            return [key for _, key in self.values if key.startswith(prefix) and key != KEY_CHECK]

    def put(self, key: str, value: Any, store: str = "statestore", ttl: int | None = None) -> None:
        """Store JSON past the service."""
        with self.lock:
            there = self.values.get((store, key))
            version = there.version + 1 if there else 1
            self.values[store, key] = Value(json.dumps(value).encode(), version, ttl, True)

    def expire(self) -> None:
        """Let the time pass until every key with a TTL is gone."""
        with self.lock:
            self.values = {at: one for at, one in self.values.items() if not one.ttl or one.ttl < 0}

    def everything(self) -> str:
        """Return all keys and values as one text to search."""
        with self.lock:
            return "\n".join(f"{key} = {one.data.decode()}" for (_, key), one in self.values.items())

    def events(self, topic: str) -> list[Any]:
        """Return the data of the events of a topic."""
        return [one.data for one in self.published if one.topic == topic]

    def ttls(self) -> dict[str, int]:
        """Return the TTLs of the keys that were given one."""
        with self.lock:
            return {key: one.ttl for (_, key), one in self.values.items() if one.ttl is not None}

    def configure(self, key: str, value: str) -> None:
        """Change a value of the configuration. An empty one deletes it."""
        self.configuration[key] = value
        for watcher in self.watchers:
            watcher.put((key, value))

    def saved(self, key: str) -> int:
        """Return how many calls tried to save this key."""
        return self.calls.count(("SaveState", key))
