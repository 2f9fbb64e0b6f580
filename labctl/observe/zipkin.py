"""A real Zipkin on port 9411: downloaded once with Maven, and run by Java."""

from __future__ import annotations

import shutil
from pathlib import Path

from labctl.errors import LabError
from labctl.make.maven import JavaProgram
from labctl.observe.foreground import Program
from labctl.progress import Steps
from labctl.runfile import ZIPKIN
from labctl.stack import HOME, Stack
from labctl.up import processes, web_console

VERSION = "3.5.1"
PROGRAM = JavaProgram(
    "Zipkin",
    VERSION,
    "125 MB",
    ("copy", f"-Dartifact=io.zipkin:zipkin-server:{VERSION}:jar:exec"),
    "7ac633a6832647e71e50012a5e3e91fbc7054414955261724526030faf271d8d",
    without="Without Java, `./lab up --console` receives the spans.",
)
READY_WITHIN = 180  # seconds; it takes 4 to 20 on two cores, and more on busy ones
MEMORY = "256m"
MOST_SPANS = 100_000  # what fits into that memory
_FOLDER = HOME / "zipkin"


def url(stack: Stack) -> str:
    """Return where its own pages are."""
    return f"http://localhost:{ZIPKIN + stack.offset}"


def program(stack: Stack, steps: Steps) -> Program:
    """Return Zipkin for this stack's port, downloaded if it is missing. Raise LabError when it cannot run here."""
    java = PROGRAM.java()
    port = ZIPKIN + stack.offset
    if web_console.pid(stack):
        raise LabError(
            f"The console receives the spans on port {port}. For a Zipkin: ./lab down, ./lab zipkin, ./lab up --console"
        )
    if who := processes.holder(port):
        raise LabError(f"Zipkin needs port {port}, which {who} holds. End that process and try again.")
    # Zipkin listens on all addresses unless each one is named.
    listen = {"ip": "127.0.0.1", "port": port, "protocols[0]": "http"}
    options = [f"-Darmeria.ports[0].{name}={value}" for name, value in listen.items()]
    options += ["-Dzipkin.storage.type=mem", f"-Dzipkin.storage.mem.max-spans={MOST_SPANS}"]
    command = [java, f"-Xmx{MEMORY}", *options, "-jar", str(ensure(steps))]
    return Program("zipkin", command, lambda: processes.http_status(port, "/health") == 200)


def ensure(steps: Steps) -> Path:
    """Return Zipkin's program, downloaded with Maven unless it is there. Raise LabError."""
    jar = _FOLDER / f"zipkin-server-{VERSION}-exec.jar"
    if not jar.exists():
        shutil.rmtree(_FOLDER, ignore_errors=True)
        PROGRAM.ensure(_FOLDER, steps)
    return jar
