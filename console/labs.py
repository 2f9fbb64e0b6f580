"""The running labs as the console sees them: apps, sidecars, Redis, and the commands of ./lab."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Any

import httpx
from redis.asyncio import Redis

from labctl import runfile
from labctl.runfile import App
from labctl.stack import ROOT, Stack
from labctl.up import infrastructure, secure

SECONDS = 3.0  # that a look may wait for an app or a sidecar


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
        self.redis = Redis(port=stack.ports["redis"], password=self._password(), decode_responses=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.http.aclose()
        await self.redis.aclose()

    def find(self, app_id: str) -> App:
        """Return the app of that id. Raise LabError when there is none."""
        return runfile.find(self.apps, app_id)

    async def sidecar(self, app: App, method: str, path: str, **more: Any) -> httpx.Response:
        """Call an app's sidecar, with its token in a secure stack. Raise httpx.HTTPError when it does not answer."""
        token = secure.tokens(self.stack, app.app_id).get("DAPR_API_TOKEN")
        headers = {"dapr-api-token": token} if token else {}
        return await self.http.request(method, f"http://127.0.0.1:{app.http_port}{path}", headers=headers, **more)

    async def app(self, app: App, method: str, path: str, **more: Any) -> httpx.Response:
        """Call an app as its users do. Raise httpx.HTTPError when it does not answer."""
        return await self.http.request(method, f"http://127.0.0.1:{app.app_port}{path}", **more)

    async def lab(self, *words: str) -> Done:
        """Run a command of ./lab for this stack, in a process of its own."""
        environment = {"LAB_STACK_NAME": self.stack.name, "LAB_PORT_OFFSET": str(self.stack.offset)}
        process = await asyncio.create_subprocess_exec(
            str(ROOT / "lab"),
            *words,
            cwd=ROOT,
            env=_environment() | environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return Done(f"./lab {' '.join(words)}", process.returncode or 0, output.decode(errors="replace"))

    def _password(self) -> str | None:
        if not self.stack.secure:
            return None
        return infrastructure.redis_config(self.stack).read_text().split()[1]


def _environment() -> dict[str, str]:
    """Return the console's environment without the marks by which ./lab finds the processes of a stack."""
    return {name: value for name, value in os.environ.items() if name not in ("LAB_STACK", "LAB_ROLE")}
