"""Why a span failed, and the workflow that it belongs to."""

from __future__ import annotations

from labctl.spans import Span

INSTANCE = "durabletask.task.instance_id"


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
