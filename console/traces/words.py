"""What a span is, in the words of a user: its name, whether it is chatter, and the workflow it belongs to."""

from __future__ import annotations

from labctl.spans import Span

# What sidecars and apps say to each other to keep going. It is left out of the list unless a reader asks for it.
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
)
_ENGINE = ("callactor/dapr.internal.",)
_RAISE_EVENT, _NO_INSTANCE = "/taskhubsidecarservice/raiseevent", "no such instance exists"
_PREFIXES = {
    "/dapr.proto.runtime.v1.dapr/": "",
    "/taskhubsidecarservice/": "workflow engine: ",
    "create_orchestration||": "start workflow ",
    "orchestration||": "workflow ",
    "activity||": "activity ",
}
INSTANCE = "durabletask.task.instance_id"


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
    return is_check or name.startswith(_CHATTER + _ENGINE)


def is_engine_call(span: Span) -> bool:
    """Return whether a span is a call of the workflow engine's own API, which has a plainer span below it."""
    return span.name.lower().startswith("/taskhubsidecarservice/")


def error_of(span: Span) -> str:
    """Return why a span failed, or nothing."""
    return span.tags.get("error") or "error" if span.is_error else ""


def instance_of(span: Span) -> tuple[str, str] | None:
    """Return the app and the id of the workflow instance that a span belongs to.

    An activity may run in another app than its workflow, so only spans of workflows name the right one.
    """
    if span.tags.get("durabletask.type") == "orchestration" and (instance := span.tags.get(INSTANCE)):
        return span.service, instance
    return None
