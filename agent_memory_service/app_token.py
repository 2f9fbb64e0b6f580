"""Some routes are for this app's own sidecar only: it shows the APP_API_TOKEN, when Dapr was given one."""

from collections.abc import Awaitable, Callable
from secrets import compare_digest

from fastapi import HTTPException, Request
from pydantic import SecretStr

HEADER = "dapr-api-token"
REFUSAL = f"The {HEADER} header is missing or wrong: only Dapr calls this route."


def only_from_dapr(token: SecretStr | None) -> Callable[[Request], Awaitable[None]]:
    """A dependency of routes that answers 401 to a request without the token.

    Dapr only sends the token; refusing those who lack it is the app's part. Users of the other routes do not have it.
    """
    wanted = token.get_secret_value().encode() if token else None

    async def check(request: Request) -> None:
        given = request.headers.get(HEADER, "").encode("latin-1")
        # A comparison that stops at the first difference would tell by its time how much was right.
        if wanted is not None and not compare_digest(given, wanted):
            raise HTTPException(401, REFUSAL)

    return check
