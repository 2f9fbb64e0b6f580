"""What a span is in the words of a user: its title, whether it is chatter, and which span a trace began with."""

from __future__ import annotations

from collections.abc import Sequence

from labctl.spans import Span, trees

# What sidecars and apps say to each other to keep going. Lists leave it out.
_CHATTER = (
    "/v1.0/metadata",
    "/v1.0/healthz",
    "/dapr.proto.runtime.v1.dapr/getmetadata",
    "/dapr.proto.runtime.v1.dapr/setmetadata",
    "/taskhubsidecarservice/hello",
    "/taskhubsidecarservice/getworkitems",
    "/taskhubsidecarservice/complete",
    "/taskhubsidecarservice/getinstance",
    "/taskhubsidecarservice/listinstanceids",
    "/taskhubsidecarservice/waitforinstance",
    "callactor/dapr.internal.",
)
_RAISE_EVENT, _NO_INSTANCE = "/taskhubsidecarservice/raiseevent", "no such instance exists"
_BUILDING_BLOCKS = "/dapr.proto.runtime.v1.dapr/"
_PREFIXES = {
    _BUILDING_BLOCKS: "",
    "/taskhubsidecarservice/": "workflow engine: ",
    "create_orchestration||": "start workflow ",
    "orchestration||": "workflow ",
    "activity||": "activity ",
}


def title(span: Span) -> str:
    """Return the name of a span as a reader says it."""
    name = span.name
    if name.lower().startswith("calllocal/"):
        _, app, path = [*name.split("/", 2), ""][:3]
        return f"call {app} /{path}"
    if name.lower().startswith("callactor/"):
        _, kind, method = [*name.split("/", 2), ""][:3]
        return f"call actor {kind} {method}"
    if name.lower().startswith("pubsub/"):
        return f"deliver event of {name[len('pubsub/') :]}"
    for prefix, word in _PREFIXES.items():
        if name.lower().startswith(prefix):
            rest = name[len(prefix) :]
            target = span.tags.get("db.name") or span.tags.get("messaging.destination.name")
            return f"{word}{rest}{f' {target}' if target and not word else ''}"
    return name or "unnamed"


def is_chatter(span: Span) -> bool:
    """Return whether a span is a look at health or metadata, or the plumbing of the workflow engine."""
    name = span.name.lower()
    # Each app with workflows checks its engine by an event for an instance that does not exist.
    is_check = name == _RAISE_EVENT and span.tags.get("error") == _NO_INSTANCE
    return is_check or name.startswith(_CHATTER)


def is_engine_call(span: Span) -> bool:
    """Return whether a span is a call of the workflow engine's own API, which has a plainer span below it."""
    return span.name.lower().startswith("/taskhubsidecarservice/")


def is_request(spans: Sequence[Span]) -> bool:
    """Return whether a trace may be a user's request.

    A look at a state store alone is none: apps look after their own records now and then.
    """
    told = [span for span in spans if not is_chatter(span)]
    return len(told) > 1 or any(not _is_building_block(span) for span in told)


def _is_building_block(span: Span) -> bool:
    return span.name.lower().startswith(_BUILDING_BLOCKS)


def called(spans: Sequence[Span]) -> Span:
    """Return the span that a trace is named after: what the user called."""
    # The earliest root that is no chatter. A request whose own span was not sent has its looks at stores as roots, and
    # those say little. A workflow's own span arrives at its end.
    roots = [node for node in trees(spans) if not is_chatter(node.span)] or trees(spans)
    root = next((node for node in roots if node.children or not _is_building_block(node.span)), roots[0])
    return next((span for _, span in root.walk() if not is_engine_call(span)), root.span)
