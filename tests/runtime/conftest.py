"""The real runtime for tests: one stack for all labs, 10000 above the ports that a user runs on.

A lab's apps start when its first test asks for them, and stay. Beside them run those of `<lab>/beside.yaml`; the
files in every `<lab>/resources/` stand in for the components of the same name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from labctl import runfile
from labctl.make import setup
from labctl.progress import Steps
from labctl.replicas import replica
from labctl.runfile import App
from labctl.stack import ROOT, TEST_OFFSET, Stack
from labctl.up import control, infrastructure, lifecycle, processes, readiness
from labctl.up.processes import wait_until
from tests.runtime.resp import Redis

HERE = Path(__file__).parent
# On which brokers and stores the tests of this run are: ./lab test brokers sets it.
STACK = Stack("test", TEST_OFFSET, components=os.environ.get("LAB_TEST_COMPONENTS", ""))
# Seconds until an event is delivered again that a sidecar had in hand as its app was killed. RabbitMQ looks each minute
# whether an event is older than its consumer_timeout (labctl/up/brokers.py).
RETURNS_WITHIN = 200 if STACK.components == "rabbitmq-postgres" else 20
on_redis = pytest.mark.skipif(bool(STACK.components), reason="it looks into Redis, below Dapr")
CONSOLE = Console(stderr=True)
# After a kill -9 of the scheduler, workflows and jobs wait some 22 s for its old leadership lease.
WELL_AGAIN_WITHIN = 45
REPLICAS = 71  # of an app, so far above its own ports


@dataclass(frozen=True)
class Running:
    """A lab that runs, and how a test talks to its parts."""

    stack: Stack
    apps: list[App]
    http: httpx.Client

    def app(self, app_id: str) -> App:
        return runfile.find(self.apps, app_id)

    def pid(self, app_id: str, kind: str = "app") -> int:
        return next(one.pid for one in processes.find(self.stack) if one.name == app_id and one.kind == kind)

    def url(self, app_id: str, path: str) -> str:
        return f"http://127.0.0.1:{self.app(app_id).app_port}{path}"

    def sidecar(self, app_id: str, path: str) -> str:
        return f"http://127.0.0.1:{self.app(app_id).http_port}{path}"

    @property
    def redis(self) -> Redis:
        """The Redis below Dapr. A test that looks into it for events or state has the mark `on_redis`."""
        return Redis(self.stack.ports["redis"])

    def with_settings(self, app_id: str, **environment: str) -> App:
        """Return the app as dapr.yaml starts it, with other settings."""
        app = self.app(app_id)
        return replace(app, entry=app.entry | {"env": app.entry["env"] | environment})

    @contextmanager
    def otherwise(self, *others: App, resources: Sequence[Path] | None = None) -> Iterator[None]:
        """Run these apps in place of those with their ids, with other components; restore the others afterwards."""
        try:
            for other in others:
                control.restart(self.stack, other.app_id, app=other, resources=resources)
            yield
        finally:
            for other in others:
                control.restart(self.stack, other.app_id, app=self.app(other.app_id))

    @contextmanager
    def replicas(self, *app_ids: str) -> Iterator[dict[str, App]]:
        """Run a second process of these apps, each with its own sidecar; yield them by app id."""
        apps = {app_id: replica(self.app(app_id), REPLICAS) for app_id in app_ids}
        lifecycle.add(self.stack, [*apps.values()], "replicas")
        yield apps
        ports = {port for app in apps.values() for port in (app.app_port, app.http_port)}
        mine = [one for one in processes.find(self.stack) if one.port in ports]
        # Apps first: a sidecar waits for the app whose workflows it runs.
        for kind in ("app", "sidecar"):
            processes.end([one.process for one in mine if one.kind == kind], grace=12)


def apps_of(lab: str) -> list[App]:
    """Return the lab's apps, and those that only its tests need."""
    beside = HERE / lab / "beside.yaml"
    more = runfile.read_apps(STACK, beside) if beside.exists() else []
    return [*runfile.select(runfile.read_apps(STACK), [lab]), *more]


@pytest.fixture(scope="session")
def stack_of_the_session() -> Iterator[httpx.Client]:
    # What an earlier run left, perhaps of another version of the components, is no part of this one.
    lifecycle.down(STACK)
    shutil.rmtree(STACK.state, ignore_errors=True)
    # Above a limit httpx may close a connection that another thread was just given.
    unlimited = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    with httpx.Client(timeout=60, limits=unlimited) as http:
        yield http
    lifecycle.down(STACK)
    assert processes.find(STACK) == []
    apps = [app for lab in runfile.labs(runfile.read_apps(STACK)) for app in apps_of(lab)]
    assert [port for app in apps for port in app.ports.values() if processes.answers(port)] == []


class ConsoleProcess:
    """The console of a stack: its pages, and the spans that sidecars send it."""

    def __init__(self, stack: Stack, **environment: str) -> None:
        self.port, self.spans_port = runfile.CONSOLE + stack.offset, runfile.ZIPKIN + stack.offset
        self.url = f"http://127.0.0.1:{self.port}"
        self.spans = f"http://127.0.0.1:{self.spans_port}/api/v2"
        self.process: subprocess.Popen[bytes] | None = None
        self._python = setup.make_environment(ROOT / "console", Steps(CONSOLE))
        self._stack = stack
        self._environment = {"LAB_STACK_NAME": stack.name, "LAB_PORT_OFFSET": str(stack.offset)} | environment

    @property
    def is_running(self) -> bool:
        """Return whether its process is alive."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it unless it runs, and wait until both of its ports answer."""
        if self.is_running:
            return
        self._stack.make_state()
        log = self._stack.state / "console.log"
        # Not one of the stack's processes, so it stays when a test takes the stack down.
        with log.open("ab") as output:
            command = [str(self._python), "-m", "console"]
            environment = os.environ | self._environment
            process = self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        ports = (self.port, self.spans_port)
        wait_until(lambda: process.poll() is not None or all(processes.answers(port) for port in ports), 60)
        assert all(processes.answers(port) for port in ports), log.read_text()

    def stop(self) -> None:
        """End it."""
        if self.process:
            self.process.terminate()
            assert self.process.wait(15) == 0


@pytest.fixture(scope="session")
def console_of_the_session(stack_of_the_session: httpx.Client) -> Iterator[ConsoleProcess]:
    # A sidecar sends its spans only if the console runs when it starts.
    lifecycle.down(STACK)
    console = ConsoleProcess(STACK)
    console.start()
    yield console
    console.stop()


@pytest.fixture
def console(console_of_the_session: ConsoleProcess) -> ConsoleProcess:
    """The console of the stack. Ask for it before `lab`, so that it gets the spans of the sidecars."""
    if not console_of_the_session.is_running:
        # Another test has ended it, and sidecars that have started since send no spans.
        lifecycle.down(STACK)
        console_of_the_session.start()
    return console_of_the_session


@pytest.fixture
def lab(request: pytest.FixtureRequest, stack_of_the_session: httpx.Client) -> Iterator[Running]:
    """The lab of the test's mark with all of it alive and no fault set, before and after the test."""
    mark = request.node.get_closest_marker("lab")
    assert mark, "the test says which lab it belongs to"
    running = Running(STACK, apps_of(mark.args[0]), stack_of_the_session)
    heal(running, mark.args[0])
    yield running
    heal(running, mark.args[0])


def heal(running: Running, name: str) -> None:
    living = {(one.kind, one.name, one.port) for one in processes.find(STACK)}
    below = [one for one in infrastructure.names(STACK) if ("infrastructure", one, None) not in living]
    if len(below) == len(infrastructure.names(STACK)):
        # First use, or a test that needed the ports for its own stack took this one down.
        lifecycle.down(STACK)
        resources = sorted(HERE.glob("*/resources"))
        lifecycle.up(STACK, running.apps, CONSOLE, resources=resources)
        return
    for missing in below:
        control.restart(STACK, missing)
    if all(processes_of(app).isdisjoint(living) for app in running.apps):
        lifecycle.add(STACK, running.apps, name)
    else:
        for app in running.apps:
            if not processes_of(app) <= living:
                control.restart(STACK, app.app_id, app=app)
    for app in running.apps:
        if app.entry["env"].get("FAULTS_ENABLED") == "true" and app.protocol == "http":
            running.http.delete(f"http://127.0.0.1:{app.app_port}/faults").raise_for_status()
    assert wait_until(lambda: all(readiness.is_ready(app) for app in running.apps), WELL_AGAIN_WITHIN)


def processes_of(app: App) -> set[tuple[str, str, int | None]]:
    """Kind, name and port of what runs when the app does."""
    sidecar = ("sidecar", app.app_id, app.http_port)
    return {sidecar, ("app", app.app_id, app.app_port)} if app.app_port else {sidecar}


@pytest.fixture
def no_other_stack() -> None:
    """For tests that bring up a stack of their own on the same ports: the shared one is down until then."""
    lifecycle.down(STACK)
