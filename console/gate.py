"""What a request must be before a page sees it: sent to this console, by a page of this console, with the token."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

WRONG_HOST = "This console is served at localhost only."
FOREIGN = "Pages of another site may not use this console."
NO_TOKEN = "This console asks for its token: open the URL that ./lab printed."
PROTECTION = {
    # NiceGUI has scripts in its pages and compiles templates in the browser. No page may load anything from elsewhere,
    # send anything elsewhere, or be shown in a frame.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Gate:
    """ASGI middleware that refuses a request by its Host, its Origin or, if there is a token, without this token.

    Browsers send the Origin with each WebSocket and each POST, so no page of another site can press a button here. The
    Host is checked because a foreign name can be made to resolve to 127.0.0.1.
    """

    def __init__(self, app: ASGIApp, port: int, token: str | None = None) -> None:
        self.app = app
        self.token = token
        self.cookie = f"console-token-{port}"  # a cookie is sent to all ports of a host
        self.hosts = {f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        protected = _protected(send)
        headers = Headers(scope=scope)
        if refusal := self._refusal(headers):
            return await _refuse(scope, receive, protected, *refusal)
        if self.token:
            given = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
            if scope["type"] == "http" and scope["method"] == "GET" and self._is_token(given.pop("token", "")):
                return await self._let_in(scope["path"], given)(scope, receive, protected)
            if not self._has_token(headers):
                return await _refuse(scope, receive, protected, 401, NO_TOKEN)
        return await self.app(scope, receive, protected)

    def _refusal(self, headers: Headers) -> tuple[int, str] | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if not hosts or any(host.lower() not in self.hosts for host in hosts):
            return 400, WRONG_HOST
        if any(origin not in self.origins for origin in origins):
            return 403, FOREIGN
        # A page elsewhere may link to this console, but not load a script, a picture or a frame of it.
        elsewhere = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if elsewhere and headers.get("sec-fetch-dest") != "document":
            return 403, FOREIGN
        return None

    def _has_token(self, headers: Headers) -> bool:
        return self._is_token(cookie_parser("; ".join(headers.getlist("cookie"))).get(self.cookie, ""))

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), (self.token or "").encode())

    def _let_in(self, path: str, query: dict[str, str]) -> RedirectResponse:
        # The token must not stay in the address bar, in the history or in a screenshot. A path that begins with two
        # slashes would lead to another host.
        path = f"/{path.lstrip('/')}"
        answer = RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)
        answer.set_cookie(self.cookie, self.token or "", httponly=True, samesite="strict")
        return answer


def _protected(send: Send) -> Send:
    """Return a `send` that adds the headers by which a browser protects the page."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(PROTECTION)
        await send(message)

    return with_headers


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    if scope["type"] == "websocket":
        await WebSocketClose(1008, sentence)(scope, receive, send)
    else:
        await PlainTextResponse(sentence, status)(scope, receive, send)
