"""The name under which a user's data is kept: keys are not encrypted, so none may hold a user id."""

import hmac

from failures import DependencyFailed
from secret_store import SecretStore

SECRET = "USER_HASH_KEY"


def user_hash(key: str, user_id: str) -> str:
    """Hex HMAC-SHA256 of the id: without the key nobody can try ids until one fits. chat-service computes the same."""
    return hmac.digest(key.encode(), user_id.encode(), "sha256").hex()


class UserHashes:
    """Hashes user ids with the secret USER_HASH_KEY, which is read once, when it is first needed."""

    def __init__(self, secrets: SecretStore) -> None:
        self._secrets = secrets
        self._key: str | None = None

    async def of(self, user_id: str) -> str:
        """The hash of a user id. Raises DependencyFailed while the secret cannot be read."""
        if self._key is None:
            self._key = await self._secrets.get(SECRET)
            if not self._key:
                detail = f"No secret store has {SECRET}: `./lab setup` makes it."
                raise DependencyFailed(503, "secret store", detail)
        return user_hash(self._key, user_id)
