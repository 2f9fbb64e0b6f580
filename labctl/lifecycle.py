"""A site's life: set up, up, ready, kill, restart, down. Drives `dapr run -f`, replaces nothing of it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from rich.console import Console

from labctl import infrastructure, logfiles, processes, runfile, secure, setup
from labctl import runtime as dapr
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.runfile import App
from labctl.site import ROOT, Site, is_offline

READY_WITHIN = 90  # seconds, for all apps together; warm it takes 3 to 8


@dataclass(frozen=True)
class Status:
    """One app as it is now; pids are None for what does not run."""

    app: App
    pid: int | None
    sidecar_pid: int | None
    ready: bool


@dataclass
class Run:
    """What `up` was asked for, kept in the site's folder so that a later `restart` does the same."""

    secure: bool = False
    resources: list[str] = field(default_factory=list[str])
    env: dict[str, str] = field(default_factory=dict[str, str])
    own_runtime: bool = False
    offline: bool = False


@contextmanager
def starting(site: Site) -> Generator[None]:
    """Held while a site comes up. Raises LabError when another `./lab up` holds it."""
    site.state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(site.state / "up.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise LabError("Another ./lab up is starting just now. See ./lab status, or end it with ./lab down.") from None
    try:
        yield
    finally:
        lock.release()


def up(
    site: Site,
    apps: Sequence[App],
    console: Console,
    *,
    resources: Sequence[Path] = (),
    env: dict[str, str] | None = None,
    own_runtime: bool = False,
) -> dict[str, float]:
    """Brings the apps up and returns seconds from the start to ready, by app id.

    Raises LabError when they run already, a port is held, something does not come up, or an app ends while starting.
    """
    begin = time.monotonic()
    steps = Steps(console)
    own_runtime = own_runtime or site.secure or not site.shares_infrastructure
    with starting(site):
        _refuse_second(site)
        runtime = setup.set_up(site, apps, steps, own_runtime=own_runtime)
        refuse_held_ports(apps)
        for leftover in ("intents", "run"):
            shutil.rmtree(site.state / leftover, ignore_errors=True)
        run = Run(site.secure, [str(folder) for folder in resources], env or {}, own_runtime, site.offline)
        try:
            for name in infrastructure.names(site):
                with steps.step(name):
                    infrastructure.start(site, name, runtime)
            if site.secure:
                secure.make_tokens(site)
            _remember(site, run)
            logfiles.prune(apps)
            dapr_run(site, apps, runtime, run)
            with steps.step(f"{', '.join(app.app_id for app in apps)}", total=len(apps)) as advance:
                return wait_ready(site, apps, begin, advance)
        except BaseException:
            down(site)
            raise


def add(site: Site, apps: Sequence[App], name: str) -> dict[str, float]:
    """Brings further apps up in a site that runs, from a `dapr run` of their own called `name`; seconds until ready."""
    begin = time.monotonic()
    run = _remembered(site)
    runtime = setup.set_up(site, apps, Steps(Console(quiet=True)), own_runtime=run.own_runtime)
    refuse_held_ports(apps)
    dapr_run(site, apps, runtime, run, name=f"{name}.yaml")
    return wait_ready(site, apps, begin)


def _refuse_second(site: Site) -> None:
    running = [one for one in processes.find(site) if one.kind in ("app", "sidecar", "cli")]
    if running:
        apps = {one.name: one.pid for one in running if one.kind == "app"} or {one.name: one.pid for one in running}
        what = ", ".join(f"{name} (pid {pid})" for name, pid in sorted(apps.items()))
        raise LabError(f"The labs run already: {what}. See ./lab status, or end them first with ./lab down.")


def refuse_held_ports(apps: Iterable[App]) -> None:
    """Raises LabError when somebody holds a port of these apps."""
    for app in apps:
        for label, port in app.ports.items():
            if who := processes.holder(port):
                raise LabError(
                    f"{app.app_id} needs port {port} ({label}), which {who} holds. End that process and try again."
                )


def _remember(site: Site, run: Run) -> None:
    (site.state / "up.json").write_text(json.dumps(run.__dict__))


def _remembered(site: Site) -> Run:
    path = site.state / "up.json"
    return Run(**json.loads(path.read_text())) if path.exists() else Run()


def present(site: Site) -> Site:
    """The site as it was brought up: secure or not, with a network or without."""
    run = _remembered(site)
    return replace(site, secure=run.secure, offline=run.offline)


def find_runtime(site: Site) -> dapr.Runtime:
    """The runtime that this site uses. Raises LabError when there is none yet."""
    run = _remembered(site)
    own = run.own_runtime or site.offset != 0
    runtime = dapr.pinned() if own else dapr.users_own() or dapr.pinned()
    if runtime is None:
        raise LabError("There is no Dapr runtime yet: ./lab setup makes it.")
    return runtime


def dapr_run(
    site: Site,
    apps: Sequence[App],
    runtime: dapr.Runtime,
    run: Run,
    *,
    name: str = "dapr.yaml",
    without_app: bool = False,
    resources: Sequence[Path] | None = None,
) -> None:
    """Starts `dapr run -f` for these apps: on the root dapr.yaml when that says just what is wanted."""
    folders = [Path(folder) for folder in run.resources] if resources is None else list(resources)
    everything = [app.app_id for app in apps] == [app.app_id for app in runfile.read_apps(site)]
    plain = site == Site() and everything and not folders and not run.env and not without_app
    file = (
        runfile.RUN_FILE
        if plain
        else runfile.write_copy(site, apps, name=name, resources=folders, without_app=without_app, env=run.env)
    )
    environment = {"NAMESPACE": "default"} | runtime.environment
    if is_offline():
        environment["DAPR_HOST_IP"] = "127.0.0.1"  # a sidecar that finds no address of its host does not start
    if site.secure:
        environment |= secure.environment(site, runtime)
    command = [str(runtime.cli), "run", "--run-file", str(file)]
    processes.spawn(site, "run", command, env=environment, cwd=ROOT, log=site.logs / "dapr-run.log")


def is_ready(app: App) -> bool:
    """Whether app and sidecar can serve: the sidecar is healthy, and the app says so itself."""
    # Not /healthz/outbound: this one waits for the app's port too.
    if processes.http_status(app.http_port, "/v1.0/healthz") != 204:
        return False
    if not app.app_port:
        return True
    if app.protocol == "grpc":
        return processes.answers(app.app_port)
    return processes.http_status(app.app_port, "/readyz") == 200


def wait_ready(
    site: Site, apps: Sequence[App], begin: float, advance: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Seconds from `begin` (monotonic) to ready by app id. Raises LabError when one ends or is not ready in time."""
    ready: dict[str, float] = {}
    seen: set[str] = set()
    looked = begin

    def all_ready() -> bool:
        nonlocal looked
        for app in apps:
            if app.app_id not in ready and is_ready(app):
                ready[app.app_id] = time.monotonic() - begin
                advance()
        if time.monotonic() - looked > 0.5:
            # Going through all processes costs more than asking those not ready yet.
            _refuse_crash(site, apps, seen)
            looked = time.monotonic()
        return len(ready) == len(apps)

    if not processes.wait_until(all_ready, READY_WITHIN):
        late = [app for app in apps if app.app_id not in ready]
        raise LabError(f"{late[0].app_id} was not ready within {READY_WITHIN} s.{logfiles.tail_of(site, late[0])}")
    logfiles.link(site, apps)
    return ready


def _refuse_crash(site: Site, apps: Sequence[App], seen: set[str]) -> None:
    """Raises LabError when a process that was seen is gone, or the CLI gave up."""
    found = processes.find(site)
    now = {f"{one.kind} {one.name}" for one in found}
    for app in apps:
        for kind, word in (("app", " ended"), ("sidecar", "'s sidecar ended")):
            key = f"{kind} {app.app_id}"
            if key in seen and key not in now:
                raise LabError(f"{app.app_id}{word}.{logfiles.tail_of(site, app)}")
    seen |= now
    if not any(one.kind == "cli" for one in found):
        tail = logfiles.tail(site.logs / "dapr-run.log")
        raise LabError(f"`dapr run` gave up; the end of what it said:{tail}")


def status(site: Site, apps: Sequence[App]) -> list[Status]:
    """All apps as they are now."""
    found = processes.find(site)
    pids: dict[tuple[str, str], int] = {(one.kind, one.name): one.pid for one in found}

    def row(app: App) -> Status:
        pid = pids.get(("app", app.app_id))
        return Status(app, pid, pids.get(("sidecar", app.app_id)), ready=pid is not None and is_ready(app))

    with ThreadPoolExecutor(max_workers=16) as pool:
        return list(pool.map(row, apps))


def intent(site: Site, name: str) -> Path:
    """The mark that this was ended on purpose, or with "down" all of it: nobody who watches starts it again."""
    return site.state / "intents" / name


def _note(mark: Path, what: str) -> None:
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(what)


def kill(site: Site, name: str, *, sidecar: bool = False) -> int:
    """kill -9 of an app, of its sidecar, or of Redis, scheduler or placement; returns the pid. Raises LabError."""
    kinds = ("sidecar",) if sidecar else ("app", "infrastructure")
    victim = next((one for one in processes.find(site) if one.name == name and one.kind in kinds), None)
    if victim is None:
        shared = [one for one in infrastructure.look(site) if one.name == name]
        what = f"{name}'s sidecar" if sidecar else name
        if shared:
            raise LabError(f"{name} (pid {shared[0].pid}) is not ours: only what ./lab started is killed by it.")
        raise LabError(f"{what} does not run here. See ./lab status.")
    # A watching `./lab up` reads from this that it was meant.
    _note(intent(site, name), "killed")
    victim.process.kill()
    psutil.wait_procs([victim.process], timeout=5)
    return victim.pid


def restart(
    site: Site,
    name: str,
    *,
    sidecar: bool = False,
    keep_sidecar: bool = False,
    resources: Sequence[Path] | None = None,
    app: App | None = None,
) -> float:
    """Restarts one app with its sidecar, only one of the two, or one infrastructure process; seconds until ready.

    resources: component folders instead of those the site was brought up with. app: where dapr.yaml does not know it.
    """
    begin = time.monotonic()
    runtime = find_runtime(site)
    mark = intent(site, name)
    if name in infrastructure.names(site):
        if shared := [one for one in infrastructure.look(site) if one.name == name and not one.ours]:
            raise LabError(f"{name} (pid {shared[0].pid}) is not ours: restart it where it was started.")
        _note(mark, "restarting")
        processes.stop(site, names=[name])
        infrastructure.start(site, name, runtime)
        mark.unlink(missing_ok=True)
        return time.monotonic() - begin
    app = app or runfile.find(runfile.read_apps(site), name)
    run = _remembered(site)
    _note(mark, "restarting")
    ports = {"sidecar": app.http_port, "app": app.app_port}
    if sidecar or keep_sidecar:
        del ports["app" if sidecar else "sidecar"]
    victims = [one for one in processes.find(site) if one.name == name and ports.get(one.kind) == one.port]
    for kind in ("app", "sidecar"):
        processes.end([one.process for one in victims if one.kind == kind], grace=12)
    if keep_sidecar:
        _start_app(site, app, run)
    else:
        _end_idle_clis(site)
        file = f"{name}-{app.http_port}{'-sidecar' if sidecar else ''}.yaml"
        dapr_run(site, [app], runtime, run, name=file, without_app=sidecar, resources=resources)
    wait_ready(site, [app], begin)
    mark.unlink(missing_ok=True)
    return time.monotonic() - begin


def _start_app(site: Site, app: App, run: Run) -> None:
    """Starts an app under the sidecar that it had, which the CLI has no command for: with what the CLI gives an app."""
    environment = {
        "APP_ID": app.app_id,
        "APP_PORT": str(app.app_port),
        "DAPR_HTTP_PORT": str(app.http_port),
        "DAPR_GRPC_PORT": str(app.grpc_port),
    }
    if site.secure:
        environment |= secure.tokens(site)
    log = logfiles.file(site, app) or site.logs / f"{app.app_id}.log"
    environment |= app.entry["env"] | run.env
    processes.spawn(site, "run", app.entry["command"], env=environment, cwd=app.folder, log=log)


def _end_idle_clis(site: Site) -> None:
    """A `dapr run` whose apps and sidecars have all been ended waits on for ever: it is ended too."""
    clis = [one.process for one in processes.find(site) if one.kind == "cli"]
    processes.end([cli for cli in clis if _is_idle(cli)], grace=3)


def _is_idle(cli: psutil.Process) -> bool:
    try:
        # One that has just been started has no children yet either.
        return not cli.children() and time.time() - cli.create_time() > 10
    except psutil.NoSuchProcess:
        return False


def down(site: Site, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Ends all processes of the site, in order; returns their names. Raises LabError when one would not end."""
    _note(intent(site, "down"), "down")
    return processes.stop(site, say)
