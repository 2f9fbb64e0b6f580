"""Routes that only Dapr calls are for this app's own sidecar, when Dapr was given an APP_API_TOKEN."""

from secrets import compare_digest

from fastapi import HTTPException, Request

HEADER = "dapr-api-token"


class OnlyDapr:
    """A dependency of such routes: answers 401 to a request without the token.

    Dapr only sends the token with each call to the app; refusing those who lack it is the app's part.
    """

    def __init__(self, token: str | None) -> None:
        self._token = (token or "").encode()

    async def __call__(self, request: Request) -> None:
        given = request.headers.get(HEADER, "").encode("latin-1")
        # A comparison that stops at the first difference would tell by its time how much was right.
        if self._token and not compare_digest(given, self._token):
            raise HTTPException(401, f"The {HEADER} header is missing or wrong: only this app's sidecar calls this.")
