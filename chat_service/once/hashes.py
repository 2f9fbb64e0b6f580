"""The hash that stands for a user in keys and events: state encryption covers values only."""

import hashlib
import hmac


def user_hash(key: str, user_id: str) -> str:
    """Return the hex HMAC-SHA256 of a user id: the same in agent-memory-service, and worthless without the key."""
    return hmac.new(key.encode(), user_id.encode(), hashlib.sha256).hexdigest()
