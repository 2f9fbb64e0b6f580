"""Recent calls between apps, stores and brokers: how many there were, and how many failed, by the spans of sidecars."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from labctl.spans import Span

ENGINE = "workflow engine"
# An app's own spans have other scopes, and would count a call twice.
SCOPES = ("dapr-diagnostics", "durabletask")
# kit/engine/health.py asks the engine for an instance that does not exist, to see whether it answers.
PROBE = "no such instance exists"
BrokerOf = Callable[[str, str], str]


@dataclass(frozen=True)
class Edge:
    """The calls from one node of the map to another, and those that failed."""

    source: str
    target: str
    calls: int
    errors: int

    def rate(self, seconds: float) -> str:
        """Return calls per second, and the share that failed, as a reader wants them."""
        failed = f", {100 * self.errors / self.calls:.0f} % failed" if self.errors else ""
        return f"{self.calls / seconds:.2g}/s{failed}"


def count(spans: Iterable[Span], broker_of: BrokerOf) -> list[Edge]:
    """Return the edges of these spans, by source and target. broker_of: the broker that an app uses for a topic."""
    spans = list(spans)
    services = {span.id: span.service for span in spans}
    counted: dict[tuple[str, str], list[int]] = {}
    for span in spans:
        if ends := _ends(span, services.get(span.parent_id, ""), broker_of):
            numbers = counted.setdefault(ends, [0, 0])
            numbers[0] += 1
            numbers[1] += span.is_error
    return [Edge(*ends, *numbers) for ends, numbers in sorted(counted.items())]


def _ends(span: Span, parent_service: str, broker_of: BrokerOf) -> tuple[str, str] | None:
    """Return source and target of the call that a span stands for. None for the other side of one, and for the rest."""
    if span.tags.get("otel.scope.name") not in SCOPES:
        return None
    app, name, tags = span.service, span.name.lower(), span.tags
    if name.startswith("activity||"):
        # An activity of another app has a span there.
        return (parent_service, app) if parent_service not in ("", app) else (ENGINE, app)
    if span.kind != "CLIENT":
        return None
    if name.startswith("calllocal/"):
        callee = tags.get("net.peer.name") or span.name.split("/")[1]
        return app, callee
    if callee := tags.get("dapr-app-id"):
        return app, callee
    if store := tags.get("db.name"):
        return app, store
    if name.startswith("/taskhubsidecarservice/") and not name.endswith(("/hello", "task")):
        return None if PROBE in tags.get("error", "") else (app, ENGINE)
    return _broker(span, broker_of)


def _broker(span: Span, broker_of: BrokerOf) -> tuple[str, str] | None:
    words = span.name.split("/")
    if words[1:3] == ["v1.0", "publish"] and len(words) > 3:
        return span.service, words[3]
    topic = span.tags.get("messaging.destination.name")
    if not topic:
        return None
    broker = broker_of(span.service, topic)
    delivers = span.name.lower().startswith("pubsub/")
    return (broker, span.service) if delivers else (span.service, broker)
