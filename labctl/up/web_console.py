"""The console of ./lab up --console: a web page beside the labs, which need nothing of it."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import psutil
from rich.console import Console

from labctl import files
from labctl.errors import LabError
from labctl.make import setup
from labctl.progress import Steps
from labctl.runfile import CONSOLE, ZIPKIN
from labctl.stack import ROOT, Stack
from labctl.terminal import problems
from labctl.up import alive, infrastructure, logfiles, processes, remembered

NAME = "console"
FOLDER = ROOT / NAME
READY_WITHIN = 40  # seconds; on an idle machine it takes 2
_TOKEN_VARIABLE = "LAB_CONSOLE_TOKEN"
_quiet = Console(quiet=True)


def url(stack: Stack) -> str:
    """Return the URL to open, with the console's token in a secure stack."""
    base = f"http://localhost:{CONSOLE + stack.offset}"
    return f"{base}/?token={_token(stack)}" if stack.secure else base


def ports(stack: Stack) -> dict[str, int]:
    """Return its ports: of its pages, and of the spans that it receives unless a Zipkin does."""
    return {"pages": CONSOLE + stack.offset, "spans": ZIPKIN + stack.offset}


def command(python: Path) -> list[str]:
    """Return its command line, for the root folder."""
    return [str(python), "-m", "console"]


def environment(stack: Stack) -> dict[str, str]:
    """Return the variables of its environment: the stack that it shows, and the token that a secure one asks for."""
    shown = {"LAB_STACK_NAME": stack.name, "LAB_PORT_OFFSET": str(stack.offset)}
    return shown | ({_TOKEN_VARIABLE: _token(stack)} if stack.secure else {})


def _token(stack: Stack) -> str:
    # It stays the same after a restart of the console alone: an open page goes on.
    file = infrastructure.redis_config(stack).parent / "console.token"
    if not file.exists():
        files.put(file, secrets.token_urlsafe(24))
    return file.read_text()


def make(steps: Steps) -> Path:
    """Make its environment if it is missing or stale. Return the interpreter."""
    return setup.make_environment(FOLDER, steps)


def pid(stack: Stack) -> int | None:
    """Return the pid of the stack's console, or None when the stack has none."""
    return next((one.pid for one in processes.find(stack) if one.name == NAME and one.kind == "infrastructure"), None)


def serves(stack: Stack) -> bool:
    """Return whether its pages can be opened, and spans are received."""
    return all(processes.answers(port) for port in ports(stack).values())


def refuse_held_port(stack: Stack) -> None:
    """Raise LabError when another process holds the port of its pages. A Zipkin may hold the other one."""
    port = ports(stack)["pages"]
    if who := processes.holder(port):
        raise LabError(f"The console needs port {port}, which {who} holds. End that process and try again.")


def refuse_open(stack: Stack) -> None:
    """Raise LabError when a console without a token, from before `--secure`, would show a secure stack."""
    port = ports(stack)["pages"]
    holder = processes.holder_pid(port)
    if stack.secure and holder and not pid(stack) and psutil.Process(holder).cmdline()[1:3] == ["-m", NAME]:
        raise LabError(f"A console (pid {holder}) on port {port} asks for no token: end it with Ctrl-C, and try again.")


def start(stack: Stack, steps: Steps | None = None) -> None:
    """Start it unless it runs, and wait until it serves. Raise LabError, and leave no process behind."""
    if not pid(stack):
        python = make(steps or Steps(_quiet))
        refuse_held_port(stack)
        log = stack.logs / f"{NAME}.log"
        offset = logfiles.rotate(log)
        process = processes.spawn(stack, NAME, command(python), env=environment(stack), cwd=ROOT, log=log)
        processes.wait_until(lambda: process.poll() is not None or serves(stack), READY_WITHIN)
        if process.poll() is not None or not serves(stack):
            error = alive.ended(stack, "The console", log, offset, how="did not start")
            processes.stop(stack, names=[NAME])
            raise error
    remembered.intent(stack, NAME).unlink(missing_ok=True)
    # An open `./lab up` restarts it from now on.
    remembered.write(stack, replace(remembered.read(stack), console=True))


def try_start(stack: Stack, steps: Steps) -> None:
    """Start it before the sidecars, which then send it their spans. Print a warning when it does not start."""
    try:
        with steps.step(NAME):
            start(stack, steps)
    except LabError as error:
        text = f"{error} The labs start without the console; ./lab restart {NAME} starts it later."
        problems.print(text, soft_wrap=True, markup=False)
