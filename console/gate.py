"""What a request must be before a page sees it: sent to this console, by a page of this console, with the token."""

from __future__ import annotations

import secrets
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

COOKIE = "console-token"
WRONG_HOST = "This console is served at localhost only."
FOREIGN = "Pages of another site may not use this console."
NO_TOKEN = "This console asks for its token: open the URL that ./lab printed."


class Gate:
    """ASGI middleware that refuses a request by its Host, its Origin or, if there is a token, without this token.

    Browsers send the Origin with each WebSocket and each POST, so no page of another site can press a button here. The
    Host is checked because a foreign name can be made to resolve to 127.0.0.1.
    """

    def __init__(self, app: ASGIApp, port: int, token: str | None = None) -> None:
        self.app = app
        self.token = token
        self.hosts = {f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if refusal := self._refusal(headers):
            return await _refuse(scope, receive, send, *refusal)
        if self.token and not self._has_token(headers):
            given = dict(parse_qsl(scope["query_string"].decode("latin-1")))
            if scope["type"] == "http" and scope["method"] == "GET" and self._is_token(given.pop("token", "")):
                return await self._let_in(scope["path"], given)(scope, receive, send)
            return await _refuse(scope, receive, send, 401, NO_TOKEN)
        return await self.app(scope, receive, send)

    def _refusal(self, headers: dict[str, str]) -> tuple[int, str] | None:
        if headers.get("host", "") not in self.hosts:
            return 400, WRONG_HOST
        if (origin := headers.get("origin")) and origin.partition("://")[2] not in self.hosts:
            return 403, FOREIGN
        return None

    def _has_token(self, headers: dict[str, str]) -> bool:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        return found is not None and self._is_token(found.value)

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), (self.token or "").encode())

    def _let_in(self, path: str, query: dict[str, str]) -> RedirectResponse:
        # The token must not stay in the address bar, in the history or in a screenshot.
        answer = RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)
        answer.set_cookie(COOKIE, self.token or "", httponly=True, samesite="strict")
        return answer


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    if scope["type"] == "websocket":
        await WebSocketClose(1008, sentence)(scope, receive, send)
    else:
        await PlainTextResponse(sentence, status)(scope, receive, send)
