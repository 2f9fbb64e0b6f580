"""A real Zipkin on port 9411: downloaded once with Maven, and run by Java."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

from labctl.errors import LabError
from labctl.observe.foreground import Program
from labctl.progress import Steps
from labctl.runfile import ZIPKIN
from labctl.stack import HOME, Stack
from labctl.up import processes, web_console

VERSION = "3.5.1"
SHA256 = "7ac633a6832647e71e50012a5e3e91fbc7054414955261724526030faf271d8d"
ARTIFACT = f"io.zipkin:zipkin-server:{VERSION}:jar:exec"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
OLDEST_JAVA = 17
READY_WITHIN = 180  # seconds; it takes 4 to 20 on two cores, and more on busy ones
MEMORY = "256m"
MOST_SPANS = 100_000  # what fits into that memory
WITHOUT = "Without Java, `./lab up --console` receives the spans."
_FOLDER = HOME / "zipkin"


def url(stack: Stack) -> str:
    """Return where its own pages are."""
    return f"http://localhost:{ZIPKIN + stack.offset}"


def program(stack: Stack, steps: Steps) -> Program:
    """Return Zipkin for this stack's port, downloaded if it is missing. Raise LabError when it cannot run here."""
    java = _java()
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
        new = _FOLDER.with_name("zipkin.new")
        shutil.rmtree(new, ignore_errors=True)
        with steps.step(f"Zipkin {VERSION}: downloading 125 MB with Maven"):
            _download(new)
        shutil.rmtree(_FOLDER, ignore_errors=True)
        new.rename(_FOLDER)
    return jar


def _download(folder: Path) -> None:
    maven = shutil.which("mvn")
    if not maven:
        mend = "Install it (`sudo apt install maven`, `brew install maven`) and run this again."
        raise LabError(f"Maven downloads Zipkin, and there is no mvn on PATH. {mend} {WITHOUT}")
    words = ["-B", "-q", PLUGIN, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={folder}"]
    # In a folder without a pom.xml, which Maven would read.
    done = subprocess.run([maven, *words], cwd=HOME, capture_output=True, text=True, check=False)
    if done.returncode:
        said = next((line for line in done.stdout.splitlines() if "[ERROR]" in line), "it says nothing")
        raise LabError(f"Maven could not download Zipkin: {said[:400]} Is the network there? {WITHOUT}")
    for file in folder.iterdir():
        if _digest(file) != SHA256:
            raise LabError(f"{file.name} does not have the pinned checksum, so it was not used. {WITHOUT}")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _java() -> str:
    """Return the Java on PATH. Raise LabError when it is missing or too old."""
    java = shutil.which("java")
    mend = f"Install one: `sudo apt install default-jre-headless`, `brew install openjdk`. {WITHOUT}"
    if not java:
        raise LabError(f"Zipkin needs Java {OLDEST_JAVA} or newer, and there is no java on PATH. {mend}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if not found or int(found[1]) < OLDEST_JAVA:
        shown = said.splitlines()[0] if said else "nothing"
        raise LabError(f"Zipkin needs Java {OLDEST_JAVA} or newer. `java -version` prints {shown}. {mend}")
    return java
