"""The name under which a user's data is stored: keys are not encrypted, so none may contain a user id."""

import hmac

from kit.sidecar.secrets import Secrets


def user_hash(key: str, user_id: str) -> str:
    """Return the hex HMAC-SHA256 of the id: without the key nobody can try ids until one fits. chat does the same."""
    return hmac.digest(key.encode(), user_id.encode(), "sha256").hex()


class UserHashes:
    """Hash user ids with the secret USER_HASH_KEY."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def of(self, user_id: str) -> str:
        """Return the hash of a user id. Raise Unavailable while the secret cannot be read."""
        key = await self._secrets.need("USER_HASH_KEY")
        return user_hash(key.get_secret_value(), user_id)
