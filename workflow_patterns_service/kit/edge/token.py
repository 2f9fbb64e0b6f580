"""The token that this app's own sidecar shows, when Dapr was given an APP_API_TOKEN.

Dapr only sends the token with each call to the app. Refusing a caller without it is the app's part. Behind it are the
routes that Dapr or another app calls through the sidecar, and the fault switches.
"""

from secrets import compare_digest

from fastapi import HTTPException, Request
from pydantic import SecretStr

HEADER = "dapr-api-token"
REFUSAL = f"The {HEADER} header is missing or wrong: only this app's Dapr sidecar may call this."


async def only_dapr(request: Request) -> None:
    """Answer 401 to a request without the token: a dependency of the routes that only Dapr calls."""
    token: SecretStr | None = request.app.state.settings.app_api_token
    # Not a header parameter: FastAPI would document a 422 that these routes never answer.
    shown = request.headers.get(HEADER, "").encode("latin-1")
    # A comparison that stops at the first difference would reveal by its time how much was right.
    if token is not None and not compare_digest(shown, token.get_secret_value().encode()):
        raise HTTPException(401, REFUSAL)
