"""How a name travels through Dapr in a path, and arrives as it left."""

from urllib.parse import quote

# Dapr (1.17.5 and later) decodes the path of an invocation and reads the outcome as a path again, so what has a meaning
# there is encoded twice. Encoded once, the name `../healthz` would call callee's /healthz.
ENCODED_TWICE = {ord(char): f"%{ord(char):02X}" for char in ["%", "/", "?", "#", *map(chr, range(32)), "\x7f"]}


def greet_path(name: str) -> str:
    """callee's path for `name`, as it is written in a request to the sidecar."""
    # A name of dots alone would be a step up the path.
    once = name.translate(ENCODED_TWICE) if name.strip(".") else name.replace(".", "%2E")
    return f"/greet/{quote(once, safe='')}"
