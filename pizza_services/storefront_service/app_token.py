"""Only this app's own sidecar may call it, when Dapr was given an APP_API_TOKEN."""

from secrets import compare_digest

from starlette.types import ASGIApp, Receive, Scope, Send

from problems import problem

HEADER = "dapr-api-token"
# Probes come from the platform, which does not have the token.
OPEN_PATHS = {"/healthz", "/readyz"}


class AppToken:
    """ASGI middleware that answers 401 to a request without the token.

    Dapr only sends the token with each call to the app; refusing those who lack it is the app's part.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._admits(scope):
            await self.app(scope, receive, send)
        else:
            refusal = f"The {HEADER} header is missing or wrong: call this app through its Dapr sidecar."
            await problem(401, refusal)(scope, receive, send)

    def _admits(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(HEADER.encode(), b"")
        # A comparison that stops at the first difference would tell by its time how much was right.
        return compare_digest(given, self.token)
