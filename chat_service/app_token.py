"""Some routes only this app's own sidecar may call, when Dapr was given an APP_API_TOKEN."""

from secrets import compare_digest
from typing import Annotated

from fastapi import Header, HTTPException
from pydantic import SecretStr

HEADER = "dapr-api-token"
Given = Annotated[str, Header(alias=HEADER, include_in_schema=False)]


class OnlyDapr:
    """A dependency of routes: answers 401 to a request without the token.

    Dapr only sends the token with each call to the app; refusing those who lack it is the app's part. The chat itself
    is the public edge, where nobody has that token.
    """

    def __init__(self, token: SecretStr | None) -> None:
        self._token = token.get_secret_value().encode() if token else None

    async def __call__(self, given: Given = "") -> None:
        # A comparison that stops at the first difference would tell by its time how much was right.
        if self._token is not None and not compare_digest(given.encode("latin-1", "replace"), self._token):
            raise HTTPException(401, f"The {HEADER} header is missing or wrong: only Dapr may call this.")
