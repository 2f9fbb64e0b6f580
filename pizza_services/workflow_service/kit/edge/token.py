"""The token that this app's own sidecar shows, when Dapr was given an APP_API_TOKEN.

Dapr only sends the token with each call to the app. Refusing a caller without it is the app's part.
"""

from secrets import compare_digest

from fastapi import HTTPException, Request
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from kit.edge.problems import problem

HEADER = "dapr-api-token"
REFUSAL = f"The {HEADER} header is missing or wrong: only this app's Dapr sidecar may call this."
# The platform sends probes, and it does not have the token.
OPEN_PATHS = {"/healthz", "/readyz"}


class OnlySidecar:
    """ASGI middleware for an app that nobody but its sidecar may call: answers 401 to a request without the token."""

    def __init__(self, app: ASGIApp, token: SecretStr) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            shown = dict(scope["headers"]).get(HEADER.encode(), b"")
            if not _is_right(shown, self.token):
                await problem(401, REFUSAL)(scope, receive, send)
                return
        await self.app(scope, receive, send)


async def only_dapr(request: Request) -> None:
    """Answer 401 to a request without the token: a dependency of the routes that only Dapr calls."""
    token: SecretStr | None = request.app.state.settings.app_api_token
    # Not a header parameter: FastAPI would document a 422 that these routes never answer.
    shown = request.headers.get(HEADER, "").encode("latin-1")
    if token is not None and not _is_right(shown, token):
        raise HTTPException(401, REFUSAL)


def _is_right(shown: bytes, token: SecretStr) -> bool:
    # A comparison that stops at the first difference would reveal by its time how much was right.
    return compare_digest(shown, token.get_secret_value().encode())
