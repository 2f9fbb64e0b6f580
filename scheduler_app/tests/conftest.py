"""Tests of the scheduler app without Dapr: the service, and a stand-in for its sidecar that keeps state and jobs.

The stand-in is an HTTP server with the real one's answers (tried on Dapr 1.18.0): ETags as Redis guards them, the jobs
API with the texts of its errors. It fires nothing: tests send the callbacks themselves.
"""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from fastapi.testclient import TestClient

from main import create_app
from settings import Settings

SERVICE = Path(__file__).parent.parent
NO_SUCH_JOB = "failed to get job due to: rpc error: code = NotFound desc = job not found: {}"
EXISTS = "failed to schedule job due to: rpc error: code = AlreadyExists desc = job already exists: '{}'"
INVALID = "failed to schedule job due to: rpc error: code = Unknown desc = job failed validation: {}"


@pytest.fixture(autouse=True, scope="session")
def _only_the_settings_of_the_tests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in Settings.model_fields:
            environment.delenv(name.upper(), raising=False)
        yield


@dataclass
class Sidecar:
    """A stand-in sidecar: what it keeps can be read, and how it answers can be changed."""

    port: int = 0
    ready: bool = True
    state: dict[str, tuple[Any, int, int]] = field(default_factory=dict)  # value, ETag, ttlInSeconds
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)
    saves: int = 0
    conflicts: int = 0
    jobs_answer: tuple[int, str, str] | None = None  # status, error code, message
    state_answer: tuple[int, str, str] | None = None
    jobs_delay: float = 0
    on_schedule: Callable[[str], None] | None = None
    before_save: Callable[[list[dict[str, Any]]], None] | None = None

    def reset(self) -> None:
        """Back to a healthy sidecar with nothing in it."""
        vars(self).update(vars(Sidecar(self.port)))

    def value(self, key: str) -> Any:
        """What is stored under a key."""
        return self.state[key][0]

    def runs(self, log: str = "runs") -> list[dict[str, Any]]:
        """All entries of a log, oldest first, read from the store itself."""
        head = self.state.get(log, ({"page": 0, "entries": []}, 0, 0))[0]
        pages = [self.value(f"{log}:{page}")["entries"] for page in range(head["page"])]
        return [entry for page in [*pages, head["entries"]] for entry in page]


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"errorCode": code, "message": message}, status=status)


def _refusal(job: dict[str, Any]) -> str | None:
    schedule = job.get("schedule", "@")
    if not schedule.startswith("@") and len(fields := schedule.removeprefix("TZ=Europe/Berlin ").split()) != 6:
        return f"expected exactly 6 fields, found {len(fields)}: [{schedule}]"
    if job.get("dueTime") == "nonsense":
        return "due time format not recognized"
    if "ttl" in job and "schedule" not in job:
        return "job must have a schedule to have a ttl"
    return None


def _routes(sidecar: Sidecar) -> web.Application:
    async def health(_: web.Request) -> web.Response:
        return web.Response(status=204 if sidecar.ready else 500)

    async def jobs(request: web.Request) -> web.Response:
        sidecar.headers.append(dict(request.headers))
        name = request.match_info["name"]
        await asyncio.sleep(sidecar.jobs_delay)
        if sidecar.jobs_answer:
            return _error(*sidecar.jobs_answer)
        if request.method == "GET":
            if name not in sidecar.jobs:
                return _error(500, "DAPR_SCHEDULER_GET_JOB", NO_SUCH_JOB.format(name))
            return web.json_response(_told(name, sidecar.jobs[name]))
        if request.method == "DELETE":
            sidecar.jobs.pop(name, None)
            return web.Response(status=204)
        job = await request.json()
        if reason := _refusal(job):
            return _error(500, "DAPR_SCHEDULER_SCHEDULE_JOB", INVALID.format(reason))
        if name in sidecar.jobs and not job.pop("overwrite"):
            return _error(409, "DAPR_SCHEDULER_SCHEDULE_JOB", EXISTS.format(name))
        sidecar.jobs[name] = job
        if sidecar.on_schedule:
            await asyncio.to_thread(sidecar.on_schedule, name)
        return web.Response(status=204)

    async def bulk(request: web.Request) -> web.Response:
        sidecar.headers.append(dict(request.headers))
        if sidecar.state_answer:
            return _error(*sidecar.state_answer)
        answer: list[dict[str, Any]] = []
        for key in (await request.json())["keys"]:
            value, etag, _ = sidecar.state.get(key, (None, 0, 0))
            answer.append({"key": key, "data": value, "etag": str(etag)} if etag else {"key": key})
        return web.json_response(answer)

    async def save(request: web.Request) -> web.Response:
        sidecar.headers.append(dict(request.headers))
        if sidecar.state_answer:
            return _error(*sidecar.state_answer)
        items = await request.json()
        if sidecar.before_save:
            sidecar.before_save(items)
        sidecar.saves += 1
        failed: list[tuple[int, str]] = []
        for item in items:
            there = sidecar.state.get(item["key"], (None, 0, 0))[1]
            assert item["options"] == {"concurrency": "first-write"}
            # On Redis a key that is gone takes any ETag.
            if there and item.get("etag", "") != str(there):
                failed.append((409, "possible etag mismatch") if "etag" in item else (500, "failed to set key x"))
            else:
                sidecar.state[item["key"]] = (item["value"], there + 1, int(item["metadata"]["ttlInSeconds"]))
        if failed:
            sidecar.conflicts += 1
            return _error(max(failed)[0], "ERR_STATE_SAVE", max(failed)[1])
        return web.Response(status=204)

    app = web.Application(client_max_size=4_000_000)
    app.router.add_get("/v1.0/healthz/outbound", health)
    app.router.add_route("*", "/v1.0/jobs/{name}", jobs)
    app.router.add_post("/v1.0/state/statestore/bulk", bulk)
    app.router.add_post("/v1.0/state/statestore", save)
    return app


def _told(name: str, job: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in job.items() if key != "overwrite"}
    wrapped = {"@type": "type.googleapis.com/google.protobuf.Value", "value": job["data"]}
    policy = {"constant": {"interval": "1s", "maxRetries": 3}}
    return {"name": name, **kept, "data": wrapped, "failurePolicy": kept.get("failurePolicy", policy)}


@contextmanager
def running_sidecar() -> Iterator[Sidecar]:
    """A stand-in sidecar on a port of its own, in a thread of its own."""
    sidecar, loop, started = Sidecar(), asyncio.new_event_loop(), threading.Event()

    async def start() -> web.AppRunner:
        runner = web.AppRunner(_routes(sidecar), access_log=None, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        sidecar.port = runner.addresses[0][1]
        return runner

    def serve() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(start())
        started.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    started.wait(10)
    yield sidecar
    sidecar.reset()
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.fixture(scope="session")
def _sidecar_of_the_session() -> Iterator[Sidecar]:
    with running_sidecar() as running:
        yield running


@pytest.fixture
def sidecar(_sidecar_of_the_session: Sidecar) -> Iterator[Sidecar]:
    """A healthy stand-in sidecar, for this test alone."""
    _sidecar_of_the_session.reset()
    yield _sidecar_of_the_session
    _sidecar_of_the_session.reset()


@pytest.fixture
def serve(sidecar: Sidecar) -> Iterator[Callable[..., TestClient]]:
    """Makes a client of a service with these settings, beside the stand-in sidecar."""
    with ExitStack() as running:

        def start(**settings: Any) -> TestClient:
            app = create_app(Settings(_env_file=None, **{"dapr_http_port": sidecar.port, **settings}))
            return running.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    """A service with its fault switches on."""
    return serve(faults_enabled=True)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def process(**environment: object) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Runs main.py as a process of its own, waits until it listens, and yields it with its port."""
    port = free_port()
    variables = {**os.environ, "APP_PORT": str(port), **{name: str(value) for name, value in environment.items()}}
    command = [sys.executable, "main.py"]
    running = subprocess.Popen(
        command, cwd=SERVICE, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        deadline = time.monotonic() + 20
        while not _listens(port):
            assert running.poll() is None, running.stdout.read()
            assert time.monotonic() < deadline, "main.py does not listen"
            time.sleep(0.02)
        yield running, port
    finally:
        running.kill()
        running.communicate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    """The body of an answer that has to be a problem of that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    return answer.json()
