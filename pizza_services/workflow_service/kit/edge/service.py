"""Build the FastAPI app of a service, and serve it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Any

import aiohttp
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.types import Receive, Scope, Send

from kit.edge import faults as fault_switches
from kit.edge import logs, problems, proxy, trace
from kit.edge.connections import Connection
from kit.edge.faults import Faults
from kit.edge.gate import Gate, Uploads
from kit.edge.models import Health, Welcome
from kit.edge.settings import ServiceSettings
from kit.edge.token import HEADER, only_dapr
from kit.sidecar import unavailable
from kit.sidecar.ready import check_ready
from kit.sidecar.unavailable import Unavailable

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, Any]]]
Ready = Callable[[Request], Awaitable[None]]
ErrorHandlers = Mapping[type[Exception], Callable[..., Any]]


class WholePath(PathConvertor):
    """The rest of a path as it is. Starlette's own `.*` would drop a line break at its end without a word."""

    regex = "(?s:.*)"


register_url_convertor("path", WholePath())


class OtherSpelling:
    """Serve a path that no route has as its other spelling, with or without the slash at its end.

    Dapr drops that slash. A redirect, as FastAPI would answer, leads its callers past the sidecar.
    """

    def __init__(self, router: APIRouter) -> None:
        self.router, self.not_found = router, router.default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if scope["type"] != "http" or path == "/" or "is_other" in scope:
            return await self.not_found(scope, receive, send)
        other = path[:-1] if path.endswith("/") else f"{path}/"
        return await self.router({**scope, "path": other, "is_other": True}, receive, send)


def build(
    settings: ServiceSettings,
    *,
    title: str,
    description: str,
    welcome: str,
    routers: Sequence[APIRouter],
    lifespan: Lifespan | None = None,
    ready: Ready | None = None,
    exception_handlers: ErrorHandlers | None = None,
    only_sidecar: bool = False,
    faults: Faults | None = None,
    uploads: Uploads | None = None,
) -> FastAPI:
    """Return an app with problem details, limits, JSON logs, and the routes `/`, `/healthz` and `/readyz`.

    lifespan: opens the service's collaborators and yields them; each becomes a member of `request.state`. It finds
    `app.state.settings` and `app.state.session`, the one HTTP session to the sidecar.
    ready: raises Unavailable while the app needs more than its sidecar to serve.
    only_sidecar: refuse calls of the routers without the APP_API_TOKEN. faults: switches, if FAULTS_ENABLED.
    uploads: the routes that take a file.
    """
    logs.configure(settings.log_level)
    proxy.bypass()
    app = FastAPI(
        title=title,
        version="1.0.0",
        description=description,
        lifespan=_with_session(lifespan),
        # The pages that FastAPI makes are empty without a network: see `docs` below.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={
            "tracing": settings.tracing, "exclude": _is_health_check,
            "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False,
        },
    )  # fmt: skip
    app.router.default = OtherSpelling(app.router)
    app.state.settings, app.state.welcome, app.state.ready, app.state.faults = settings, welcome, ready, faults
    problems.install(app)
    app.add_exception_handler(Unavailable, unavailable.answer)
    for error, handler in (exception_handlers or {}).items():
        app.add_exception_handler(error, handler)
    app.add_middleware(Gate, settings=settings, uploads=uploads)
    switches = [fault_switches.router] if faults and settings.faults_enabled else []
    behind_token: dict[str, Any] = {"dependencies": [Depends(only_dapr)], "responses": problems.documented(401)}
    for each in (*routers, *switches):
        app.include_router(each, **(behind_token if only_sidecar else {}))
    app.include_router(router)
    app.mount("/swagger", StaticFiles(packages=[("fastapi_offline", "static")]))
    return app


def serve(app: FastAPI) -> None:
    """Serve the app until SIGTERM or SIGINT, then let the requests in flight finish."""
    settings: ServiceSettings = app.state.settings
    uvicorn.run(
        app,
        host=settings.app_host,
        port=settings.app_port,
        timeout_graceful_shutdown=settings.shutdown_grace_seconds,
        timeout_keep_alive=settings.keep_alive_seconds,
        http=Connection,
        # Without this uvicorn would replace the logging that `build` set up.
        log_config=None,
    )


def from_state(name: str) -> Callable[[Request], Awaitable[Any]]:
    """Return a dependency that gives a route what the lifespan yielded under this name."""

    async def get(request: Request) -> Any:
        return getattr(request.state, name)

    return get


@asynccontextmanager
async def session_for(settings: ServiceSettings) -> AsyncGenerator[aiohttp.ClientSession]:
    """Open an HTTP session to the sidecar, with the token that Dapr wants and no time limit: each call has its own."""
    token = settings.dapr_api_token
    async with aiohttp.ClientSession(
        headers={HEADER: token.get_secret_value()} if token else None,
        # Two sidecars carry every header, so the ones that nobody reads are left out.
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(trace.pass_on,),
        # How many calls are in flight is bounded by the requests that cause them.
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        yield session


def _is_health_check(scope: MutableMapping[str, Any]) -> bool:
    return scope["path"] in ("/healthz", "/readyz")


def _with_session(lifespan: Lifespan | None) -> Lifespan:
    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncGenerator[Mapping[str, Any]]:
        async with trace.recording(app.state.settings, app.title), session_for(app.state.settings) as session:
            app.state.session = session
            async with lifespan(app) if lifespan else nullcontext(dict[str, Any]()) as state:
                yield state

    return running


router = APIRouter()


@router.get("/")
async def welcome(request: Request) -> Welcome:
    """Name the main routes."""
    return Welcome(message=request.app.state.welcome)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Show the API, with Swagger's files from a package, not from the network."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=request.app.title,
        swagger_js_url="/swagger/swagger-ui-bundle.js",
        swagger_css_url="/swagger/swagger-ui.css",
        swagger_favicon_url="/swagger/favicon.png",
    )


@router.get("/healthz")
async def healthz() -> Health:
    """Answer as long as the process is alive."""
    return Health(status="ok")


@router.get("/readyz", responses=problems.documented(503))
async def readyz(request: Request) -> Health:
    """Check that the sidecar can carry calls, and that nothing else is missing to serve."""
    state = request.app.state
    await check_ready(state.session, state.settings.dapr_http_port)
    try:
        if state.ready:
            await state.ready(request)
    except Unavailable as error:
        raise replace(error, status=503) from error
    return Health(status="ready")
