"""The bodies of callbacks, which are accepted with any content: an error would only make the scheduler retry."""

import json
from typing import Any

from pydantic_core import to_json

# A page of a list is 50 entries under one key, and Dapr accepts 4 MiB in one call. The characters are at most doubled
# on their way to the store. The 8 KiB of a job's data always fit.
KEPT_WHOLE = 30_000
BEGINNING = 4_000


def read(body: bytes) -> Any:
    """Return the JSON of a body. Anything else is returned as text, such as half a character or too deep a nesting."""
    try:
        found = json.loads(body)
        # In an answer it is nested some levels deeper.
        to_json([[[[found]]]])
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
    return found


def kept(found: Any) -> Any:
    """Return the part of `found` that a list keeps: all of it, or its beginning as text and its size."""
    text = json.dumps(found)
    return found if len(text) <= KEPT_WHOLE else f"{text[:BEGINNING]} … ({len(text):,} characters)"
