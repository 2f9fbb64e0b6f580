"""Hashes that stand for users and messages in keys, events and instance ids: state encryption covers values only."""

import hashlib
import hmac


def user_hash(key: str, user_id: str) -> str:
    """Return the hex HMAC-SHA256 of a user id: the same in agent-memory-service, and worthless without the key."""
    return hmac.new(key.encode(), user_id.encode(), hashlib.sha256).hexdigest()


def message_digest(user_hash: str, message_id: str) -> str:
    """Return 32 hex digits for one message of one user. Its claim's key and its instance ids are made from them."""
    return hashlib.sha256(f"{user_hash}:{message_id}".encode()).hexdigest()[:32]
