"""The running labs as the console sees them: apps, sidecars, Redis, and the commands of ./lab."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryFile
from typing import Any

import httpx
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from console.shared import Shared
from labctl import runfile
from labctl.runfile import App
from labctl.stack import ROLE_VARIABLE, ROOT, STACK_VARIABLE, Stack
from labctl.up import infrastructure, processes, readiness, secure
from labctl.up.infrastructure import Infrastructure
from labctl.up.processes import Found
from labctl.up.readiness import Status

TOKEN_VARIABLE = "LAB_CONSOLE_TOKEN"
MARKS = (STACK_VARIABLE, ROLE_VARIABLE)
SECONDS = 3.0  # that a look may wait for an app, a sidecar or Redis
# Not to be traced: otherwise what the console asks would fill the traces that it shows.
UNTRACED = {"traceparent": "00-0000000000000000000000000000c0de-000000000000c0de-00"}


@dataclass(frozen=True)
class Done:
    """How a command ended: its words as a user would type them, its exit code and its output."""

    command: str
    code: int
    output: str


class Labs:
    """One stack. `apps` are those of dapr.yaml, whether they run or not."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.apps: list[App] = runfile.read_apps(stack)
        self.http = httpx.AsyncClient(timeout=SECONDS, trust_env=False)
        self.redis = Redis(
            port=stack.ports["redis"],
            password=self._password(),
            socket_timeout=SECONDS,
            socket_connect_timeout=SECONDS,
            retry=Retry(NoBackoff(), 1),
            protocol=2,
        )
        self._found = Shared(2.0, lambda: asyncio.to_thread(processes.find, stack))
        self._statuses = Shared(2.0, lambda: asyncio.to_thread(readiness.status, stack, self.apps))
        self._below = Shared(2.0, lambda: asyncio.to_thread(infrastructure.look, stack))
        self._metadata = {app.app_id: Shared(10.0, partial(self._read_metadata, app)) for app in self.apps}

    async def aclose(self) -> None:
        """Close the connections."""
        await self.http.aclose()
        await self.redis.aclose()

    def find(self, app_id: str) -> App:
        """Return the app of that id. Raise LabError when there is none."""
        return runfile.find(self.apps, app_id)

    async def sidecar(
        self, app: App, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Call an app's sidecar, with its token in a secure stack. Raise httpx.HTTPError when it does not answer.

        A GET is not traced. more: options of httpx, such as json and params.
        """
        token = secure.tokens(self.stack, app.app_id).get("DAPR_API_TOKEN")
        headers = (UNTRACED if method == "GET" else {}) | ({"dapr-api-token": token} if token else {}) | (headers or {})
        return await self.http.request(method, f"http://127.0.0.1:{app.http_port}{path}", headers=headers, **more)

    async def app(
        self,
        app: App,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        traced: bool | None = None,
        as_dapr: bool = False,
        **more: Any,
    ) -> httpx.Response:
        """Call an app as its users do. Raise httpx.HTTPError when it does not answer.

        traced: whether the call may begin a trace. All but a GET may by default.
        as_dapr: for a route that only the sidecar may call. Sends its token in a secure stack.
        """
        traced = method != "GET" if traced is None else traced
        token = secure.header(self.stack, app.app_id) if as_dapr else {}
        headers = ({} if traced else UNTRACED) | token | (headers or {})
        return await self.http.request(method, f"http://127.0.0.1:{app.app_port}{path}", headers=headers, **more)

    async def found(self) -> list[Found]:
        """Return all living processes of the stack. All pages share one look in 2 s, because it costs CPU time."""
        return await self._found.get()

    async def statuses(self) -> list[Status]:
        """Return pids and readiness of every app, as `./lab status` does. All pages share one look in 2 s."""
        return await self._statuses.get()

    async def below(self) -> list[Infrastructure]:
        """Return the infrastructure that runs, as `./lab status` does. All pages share one look in 2 s."""
        return await self._below.get()

    async def metadata(self, app: App) -> dict[str, Any]:
        """Return what an app's sidecar says of itself: components, subscriptions, actors. Shared for 10 s.

        Raise httpx.HTTPError when it does not answer.
        """
        return await self._metadata[app.app_id].get()

    async def _read_metadata(self, app: App) -> dict[str, Any]:
        answer = await self.sidecar(app, "GET", "/v1.0/metadata")
        return answer.raise_for_status().json()

    async def lab(self, *words: str) -> Done:
        """Run a command of ./lab for this stack, in a separate process."""
        environment = {"LAB_STACK_NAME": self.stack.name, "LAB_PORT_OFFSET": str(self.stack.offset), "COLUMNS": "200"}
        # In a file: without a reader of its output, a command would fail when the console ends before it.
        with TemporaryFile() as output:
            process = await asyncio.create_subprocess_exec(
                str(ROOT / "lab"),
                *words,
                cwd=ROOT,
                env=_environment() | environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
            )
            code = await process.wait()
            output.seek(0)
            return Done(f"./lab {' '.join(words)}", code, output.read().decode(errors="replace"))

    def _password(self) -> str | None:
        if not self.stack.secure:
            return None
        return infrastructure.redis_config(self.stack).read_text().split()[1]


def _environment() -> dict[str, str]:
    """Return the console's environment without its token and the marks by which ./lab finds a stack's processes.

    A process that ./lab restarts would have them all its life.
    """
    return {name: value for name, value in os.environ.items() if name not in (*MARKS, TOKEN_VARIABLE)}
