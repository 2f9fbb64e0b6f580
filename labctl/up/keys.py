"""Check that the values of a stack open with the keys in secrets/secrets.json."""

from __future__ import annotations

import hmac
import http.client
import json

from labctl.errors import LabError
from labctl.make import setup
from labctl.runfile import App
from labctl.stack import Stack


def refuse_other(stack: Stack) -> None:
    """Raise LabError if the Redis of this stack was filled with other keys. Note the keys of a new one.

    The note is beside the data, and is deleted with it. In a Redis that ./lab did not start, each app has a note in its
    store (kit/sidecar/store.py).
    """
    note = stack.state / "redis" / "key-check"
    if not note.parent.exists():
        return
    known = setup.read_secrets()
    # Of the keys, nothing can be read from this.
    mark = hmac.digest(known["STATE_ENCRYPTION_KEY"].encode(), known["USER_HASH_KEY"].encode(), "sha256").hex()
    # An empty one was not written to its end: the disk was full, or the process was killed.
    if not note.exists() or not note.read_text():
        note.write_text(mark)
    if note.read_text() != mark:
        raise LabError(
            "The values in Redis were written with another key than those in secrets/secrets.json. "
            "Put that file back, or delete the values: ./lab down --forget."
        )


def refuse_unreadable(app: App) -> None:
    """Raise LabError if this app says that its store has the values of another key: no wait would help."""
    connection = http.client.HTTPConnection("127.0.0.1", app.app_port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        answer = json.load(connection.getresponse())
    except (OSError, http.client.HTTPException, ValueError):
        return
    finally:
        connection.close()
    if answer.get("errorCode") == "OTHER_KEY":
        raise LabError(f"{app.app_id} cannot use its store. {answer['detail']}")
