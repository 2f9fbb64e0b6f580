"""./lab setup when things go wrong: one sentence that says what to do next, and nothing half-installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from labctl.errors import LabError
from labctl.make import build, installed, runtime
from labctl.progress import Steps
from labctl.stack import HOME, ROOT
from labctl.up.processes import wait_until


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty LAB_HOME, but for labctl's own environment."""
    (tmp_path / "venv").symlink_to(HOME / "venv")
    if (HOME / "uv").exists():
        (tmp_path / "uv").symlink_to(HOME / "uv")
    return tmp_path


def setup(home: Path, **env: str) -> subprocess.Popen[str]:
    """Run ./lab setup --build of the pinned runtime alone, in its own session."""
    code = (
        "from rich.console import Console; from labctl import terminal; from labctl.make import runtime;"
        "from labctl.progress import Steps; terminal.run(lambda: runtime.ensure(Steps(Console()), from_source=True))"
    )
    environment = os.environ | {"LAB_HOME": str(home), "LAB_ROOT": str(ROOT), "PYTHONPATH": str(ROOT)} | env
    return subprocess.Popen(
        [str(HOME / "venv/bin/python"), "-c", code],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def in_labctl(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of Python in a folder like a command of ./lab."""
    code = (
        f"import errno, os, shutil; from pathlib import Path; from labctl.terminal import run; run(lambda: {command})"
    )
    python = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(python, cwd=folder, env=environment, capture_output=True, text=True, timeout=30, check=False)


def fake_go(home: Path, script: str) -> str:
    """Return a PATH on which `go` is that script; it reports a version that is new enough."""
    program = home / "fake" / "go"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1" = version ] && echo "go version go{build.GO_VERSION} x" && exit\n{script}\n')
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


@pytest.mark.skipif(not shutil.which("go"), reason="needs a Go on PATH to ask the proxy with; ./lab fetches one itself")
def test_a_module_proxy_that_does_not_answer(home: Path):
    run = setup(home, GOPROXY="http://127.0.0.1:1")
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "The Go module proxy does not answer" in errors
    assert "./lab setup" in errors
    assert "Traceback" not in errors
    assert not (home / "runtime").exists()


def test_a_package_index_that_does_not_answer(home: Path):
    """No Go on PATH, so one is fetched, from an index that is not there."""
    empty = home / "empty"
    empty.mkdir()
    for name in ("sh", "uv"):
        if found := shutil.which(name):
            (empty / name).symlink_to(found)
    run = setup(home, PATH=str(empty), UV_DEFAULT_INDEX="http://127.0.0.1:1/simple", UV_HTTP_RETRIES="0")
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "The Python package index does not answer" in errors
    assert "Traceback" not in errors


def test_a_full_disk_while_building(home: Path):
    run = setup(home, PATH=fake_go(home, 'echo "write x: no space left on device" >&2; exit 1'))
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "is full" in errors
    assert "Traceback" not in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize(
    "command",
    ["Path('/dev/full').write_text('x')", "shutil.copytree('from', 'to', dirs_exist_ok=True)"],
    ids=["a file", "a folder"],
)
def test_a_full_disk_wherever_it_is_met(command: str, tmp_path: Path):
    for folder in ("from", "to"):
        (tmp_path / folder).mkdir()
    (tmp_path / "from" / "go.mod").write_text("module x")
    (tmp_path / "to" / "go.mod").symlink_to("/dev/full")
    refused = in_labctl(command, tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("lab: The disk is full: No space left on device")
    assert "Traceback" not in refused.stderr


def test_a_used_up_quota_is_a_full_disk_and_another_error_is_not(tmp_path: Path):
    # No quota can be set here; the system's error for it is raised by hand.
    quota = in_labctl("exec('raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))')", tmp_path)
    assert (quota.returncode, "The disk is full" in quota.stderr, "Traceback" in quota.stderr) == (1, True, False)
    missing = in_labctl("Path('nothing').read_text()", tmp_path)
    assert "FileNotFoundError" in missing.stderr
    assert "The disk is full" not in missing.stderr


def test_too_little_room_is_said_before_building(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2_000_000_000))
    monkeypatch.setattr(build, "HOME", tmp_path)
    monkeypatch.setattr(installed, "OWN", tmp_path / "runtime")
    with pytest.raises(LabError, match=r"needs 9 GB for a while, and .* has 2\.0 GB free"):
        runtime.ensure(Steps(Console(quiet=True)), from_source=True)


def test_an_interrupted_build_leaves_nothing_half_installed(home: Path):
    """kill -9 in the midst of compiling: no runtime folder, and the next build starts from a clean one."""
    module = home / "module"
    (module / "cmd/daprd/components").mkdir(parents=True)
    for line in (ROOT / "runtime/components.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            (module / f"cmd/daprd/components/{line}.go").touch()
    script = (
        f'case "$1 $2" in "mod download") echo \'{{"Dir": "{module}"}}\';; "list "*) echo one;;\n'
        f"install*) : >{home}/compiling; kill -STOP $$;; esac"  # the shell's own commands: PATH may hold little
    )
    run = setup(home, PATH=fake_go(home, script))
    assert wait_until((home / "compiling").exists, 30)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate(timeout=10)
    assert not (home / "runtime").exists()

    # The next one finds no lock held and no leftover in its way: it compiles again.
    (home / "compiling").unlink()
    again = setup(home, PATH=os.pathsep.join([str(home / "fake"), os.environ["PATH"]]))
    assert wait_until((home / "compiling").exists, 30)
    os.killpg(again.pid, signal.SIGKILL)
    again.communicate(timeout=10)
    assert not (home / "runtime").exists()


def test_a_made_runtime_costs_nothing_the_second_time():
    if runtime.pinned() is None:
        pytest.fail("./lab test builds the runtime before it starts pytest")
    found = runtime.ensure(Steps(Console(quiet=True)), own=True)
    assert found.binary("daprd").exists()
    assert found.version() == installed.RUNTIME_VERSION
