"""Bodies that have to be taken whatever is in them, as an error would only have them sent again; and kept in a log."""

import json
from typing import Any

from pydantic_core import to_json

# A page of a log is 50 entries under one key. Of so many characters of JSON each, which are at most doubled on their
# way to the store, they stay below the 4 MiB that Dapr takes in one call. A job's 8 KiB of data are fewer.
KEPT_WHOLE = 30_000
BEGINNING = 4_000


def read(body: bytes) -> Any:
    """The JSON of a body; as text what is none, or could not be shown: half a character, or nested too deeply."""
    try:
        found = json.loads(body)
        # In an answer it lies some levels deeper.
        to_json([[[[found]]]])
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
    return found


def kept(found: Any) -> Any:
    """What a log keeps of it: all; or its beginning, as text, and its size."""
    text = json.dumps(found)
    return found if len(text) <= KEPT_WHOLE else f"{text[:BEGINNING]} … ({len(text):,} characters)"
