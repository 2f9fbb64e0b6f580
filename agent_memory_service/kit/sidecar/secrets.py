"""Secrets: from Dapr's secret stores or, where those have none, from the environment and `.env`."""

import asyncio
import hmac
from collections.abc import Sequence

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from kit.sidecar.client import SdkClient
from kit.sidecar.unavailable import Unavailable

# The store does not exist, does not have the secret (INTERNAL, of the file store), or keeps it from this app.
ASK_THE_NEXT = {"FAILED_PRECONDITION", "INTERNAL", "INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED"}


class Secrets:
    """Look secrets up in each store in turn, then in the settings. A secret that was found is kept.

    Services that must find the same value ask in the same order: the stores go first.
    """

    def __init__(self, sdk: SdkClient, stores: Sequence[str], settings: BaseSettings) -> None:
        self._sdk, self._stores, self._settings = sdk, stores, settings
        self._found: dict[str, SecretStr] = {}
        self._lock = asyncio.Lock()

    async def get(self, name: str) -> SecretStr | None:
        """Return the secret of that name, such as GEMINI_API_KEY, or None. Raise Unavailable if a store fails."""
        if name not in self._found:
            async with self._lock:
                if name not in self._found and (secret := await self._look_up(name)):
                    self._found[name] = secret
        return self._found.get(name)

    async def need(self, name: str) -> SecretStr:
        """Return the secret of that name. Raise Unavailable, which names the places for it, if there is none."""
        if secret := await self.get(name):
            return secret
        detail = f"{name} is in none of {', '.join(self._stores)}."
        raise Unavailable(502, "secret store", detail, "NOT_FOUND")

    async def _look_up(self, name: str) -> SecretStr | None:
        for store in self._stores:
            try:
                async with self._sdk.calling(store) as client:
                    found = (await client.get_secret(store, name)).secret.get(name)
            except Unavailable as error:
                if error.error_code in ASK_THE_NEXT:
                    continue
                raise
            if found:
                return SecretStr(found)
        return getattr(self._settings, name.lower(), None)


class UserHashes:
    """Hash user ids with the secret USER_HASH_KEY, for keys and events: state encryption covers values only."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def of(self, user_id: str) -> str:
        """Return the hash of a user id. Raise Unavailable while the secret cannot be read."""
        return user_hash((await self._secrets.need("USER_HASH_KEY")).get_secret_value(), user_id)

    async def mark(self) -> str:
        """Return a mark of the secret itself, for StateStore.check_key. No user id has a blank."""
        return await self.of("key check")


def user_hash(key: str, user_id: str) -> str:
    """Return the hex HMAC-SHA256 of the id: without the key nobody can try ids until one fits."""
    return hmac.digest(key.encode(), user_id.encode(), "sha256").hex()
