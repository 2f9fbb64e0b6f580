"""The one tool that every model has."""

from datetime import UTC, datetime

NAME = "get_current_time"
DESCRIPTION = "The current date and time in UTC, in ISO 8601."


def get_current_time() -> str:
    """Return the current date and time in UTC, in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
