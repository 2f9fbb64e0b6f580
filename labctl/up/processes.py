"""Find the processes of a stack by an environment variable, and stop them in order."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from labctl.errors import LabError
from labctl.stack import ROLE_VARIABLE, STACK_VARIABLE, Stack

Kind = Literal["app", "sidecar", "cli", "infrastructure"]
# Apps before sidecars: Dapr before 1.18.1 waits forever for an app that still holds a workflow stream.
_STOP_ORDER: tuple[tuple[Kind, str, float], ...] = (
    ("app", "apps: ", 12),
    ("sidecar", "sidecars of: ", 8),
    ("cli", "the CLI: ", 3),
    ("infrastructure", "", 8),
)


@dataclass(frozen=True)
class Found:
    """One living process of a stack. `name` is the app id, or the name of the infrastructure process.

    port: the app's port, or the sidecar's HTTP port. It distinguishes the replicas of an app.
    """

    kind: Kind
    name: str
    process: psutil.Process
    port: int | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid


def wait_until(condition: Callable[[], bool], timeout: float, interval: float = 0.1) -> bool:
    """Poll a condition. Return False when it is not true within `timeout` seconds."""
    retrying = Retrying(
        retry=retry_if_result(lambda true: not true), stop=stop_after_delay(timeout), wait=wait_fixed(interval)
    )
    try:
        return bool(retrying(condition))
    except RetryError:
        return False


def spawn(
    stack: Stack, role: str, command: Sequence[str], *, env: dict[str, str], cwd: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start a process in a new session, marked as the stack's, with its output in a log file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    marks = {STACK_VARIABLE: str(stack.state), ROLE_VARIABLE: role}
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            env=os.environ | env | marks,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,  # logs and data hold users' texts
        )
    # A new process shows no environment for a moment. The next `find` must see it.
    seen = psutil.Process(process.pid)
    wait_until(lambda: process.poll() is not None or STACK_VARIABLE in _environment(seen), 2, 0.005)
    return process


def find(stack: Stack) -> list[Found]:
    """Return all living processes of the stack."""
    found: list[Found] = []
    for process in psutil.process_iter():
        try:
            if (one := _identify(stack, process)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # already gone, or another user's
    return found


def _identify(stack: Stack, process: psutil.Process) -> Found | None:
    environment = process.environ()
    if environment.get(STACK_VARIABLE) != str(stack.state):
        return None
    role = environment.get(ROLE_VARIABLE, "")
    if role != "run":
        # RabbitMQ leaves its name server behind, which the next RabbitMQ uses.
        name = "epmd" if role == "rabbitmq" and process.name() == "epmd" else role
        return None if _is_nested(process, ROLE_VARIABLE, role) else Found("infrastructure", name, process)
    command = process.cmdline()
    program = Path(command[0]).name if command else ""
    if program == "daprd":
        if "--app-id" not in command:
            return None  # the CLI asking for its version
        return Found("sidecar", _option(command, "--app-id"), process, int(_option(command, "--dapr-http-port")))
    if app_id := environment.get("APP_ID"):
        nested = _is_nested(process, "APP_ID", app_id)
        return None if nested else Found("app", app_id, process, int(environment.get("APP_PORT", 0)))
    return Found("cli", program, process)


def _is_nested(process: psutil.Process, variable: str, value: str) -> bool:
    """Return whether the parent has this variable too: then this is a worker, and the process at the top counts."""
    parent = process.parent()
    return parent is not None and _environment(parent).get(variable) == value


def _option(command: Sequence[str], name: str) -> str:
    return command[command.index(name) + 1]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return {}


def stop(stack: Stack, say: Callable[[str], None] = lambda _: None, *, names: Iterable[str] | None = None) -> list[str]:
    """Stop the stack's processes in order: apps, sidecars, CLI, infrastructure. Return the names of those stopped.

    names: only the apps (with their sidecars) or infrastructure of these names.
    """
    ended: list[str] = []
    wanted = None if names is None else set(names)
    # A CLI that was still starting apps may add one, so look again until nothing is left.
    for _ in range(5):
        found = [one for one in find(stack) if wanted is None or one.name in wanted]
        if not found:
            return ended
        for kind, what, grace in _STOP_ORDER:
            group = [one for one in found if one.kind == kind]
            if group:
                say(f"stopping {what}{', '.join(sorted({one.name for one in group}))}")
                # A command of ./lab that the console runs, such as a restart, goes on to its end.
                end([one.process for one in group], grace, with_children=kind != "infrastructure")
                ended += [one.name for one in group]
    left = [one for one in find(stack) if wanted is None or one.name in wanted]
    if left:
        raise LabError(f"These did not end: {', '.join(f'{one.name} (pid {one.pid})' for one in left)}.")
    return ended


def end(processes: Sequence[psutil.Process], grace: float, *, with_children: bool = True) -> None:
    """Ask processes to end, and send SIGKILL to those and their children that remain after `grace` seconds."""
    family = list(processes)
    for process in processes:
        try:
            family += process.children(recursive=True) if with_children else []
            # On SIGTERM PostgreSQL waits until its clients have left.
            process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=grace)
    leftover = [process for process in {*alive, *family} if process.is_running() and not _is_ours_to_spare(process)]
    for process in leftover:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(leftover, timeout=5)


def _is_ours_to_spare(process: psutil.Process) -> bool:
    return process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE


def holder(port: int) -> str | None:
    """Return the process that listens on a local port, as "program (pid N)". None when the port is not in use."""
    if not any(answers(port, host) for host in ("127.0.0.1", "::1")):
        return None
    pid, hidden = holder_pid(port), f"another process (sudo lsof -i :{port})"  # on macOS even one of your own
    try:
        return _described(psutil.Process(pid)) if pid else hidden
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return hidden


def _described(process: psutil.Process) -> str:
    """Return what a user knows a process by: the `dapr run` or ./lab that started it, or its command line."""
    state = _environment(process).get(STACK_VARIABLE)
    if state:
        return f"the ./lab of {state} (pid {process.pid})"
    for one in [process, *process.parents()]:
        with suppress(psutil.AccessDenied):  # the first process of macOS
            if [Path(word).name for word in one.cmdline()[:2]] == ["dapr", "run"]:
                return f"a `dapr run` of yours (pid {one.pid})"
    return f"{' '.join(process.cmdline()[:2])[:60]} (pid {process.pid})"


def holder_pid(port: int) -> int | None:
    """Return the pid that listens on a local port. None when there is none, or the system hides it."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    listeners = [one for one in connections if one.laddr and one.laddr.port == port and one.status == "LISTEN"]
    return next((one.pid for one in listeners if one.pid), None)


def is_free(port: int) -> bool:
    """Return whether a server could listen on that local port now.

    For up to a minute it cannot if the port was the local end of an outgoing connection.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a process accepts connections on that port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def http_status(port: int, path: str) -> int | None:
    """Return the status of a GET on that local port, without redirects. None without an answer within 2 s.

    http.client is used because it is cheap: readiness is asked many times a second while the machine is busy.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
