"""What can go wrong beyond this service, each with the status that its user is told."""

from dataclasses import dataclass


@dataclass(eq=False)
class DependencyFailed(Exception):
    """Something that this service needs failed: 502 it answered badly, 503 it is down, 504 it took too long."""

    status: int
    dependency: str
    detail: str
    error_code: str | None = None
    reason: str = ""

    def __str__(self) -> str:
        return self.detail


class Conflict(Exception):
    """Somebody else wrote the same key first: read it again, and decide again."""


class Forgotten(Exception):
    """The user was forgotten while this was under way; nothing of it was kept."""
