"""The console of a stack: its URL, its token in a secure stack, and a start that fails without harm."""

from __future__ import annotations

import hashlib
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from labctl import runfile
from labctl.errors import LabError
from labctl.make import maven
from labctl.observe import zipkin
from labctl.progress import Steps
from labctl.runfile import CONSOLE, ZIPKIN
from labctl.stack import Stack
from labctl.up import control, processes, remembered, watcher, web_console

STEPS = Steps(Console(quiet=True))


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(Stack, "state", tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Stack("shown", free.getsockname()[1] - CONSOLE)


def test_a_command_of_the_console_goes_on_when_the_console_ends(stack: Stack, tmp_path: Path) -> None:
    command = ["sh", "-c", "env -u LAB_STACK -u LAB_ROLE sleep 60 & wait"]
    log = tmp_path / "console.log"
    console = psutil.Process(processes.spawn(stack, "console", command, env={}, cwd=tmp_path, log=log).pid)
    assert processes.wait_until(lambda: [one.name() for one in console.children()] == ["sleep"], 5)
    (restart,) = console.children()
    try:
        assert processes.stop(stack) == ["console"]
        assert restart.is_running()
    finally:
        restart.kill()


def test_a_secure_stack_does_not_start_beside_a_console_without_a_token(stack: Stack, tmp_path: Path) -> None:
    served = "HTTPServer(('127.0.0.1', int(sys.argv[1])), BaseHTTPRequestHandler).serve_forever()"
    (tmp_path / "console.py").write_text(f"import sys\nfrom http.server import *\n{served}\n")
    port = CONSOLE + stack.offset
    with subprocess.Popen([sys.executable, "-m", "console", str(port)], cwd=tmp_path) as console:
        try:
            assert processes.wait_until(lambda: processes.answers(port), 10)
            web_console.refuse_open(stack)
            with pytest.raises(LabError, match=rf"console \(pid {console.pid}\) on port {port} asks for no token"):
                web_console.refuse_open(replace(stack, secure=True))
        finally:
            console.kill()


def test_a_secure_console_has_one_token_that_only_its_owner_can_read(stack: Stack, tmp_path: Path) -> None:
    assert web_console.url(stack) == f"http://localhost:{CONSOLE + stack.offset}"
    assert "LAB_CONSOLE_TOKEN" not in web_console.environment(stack)

    secure = replace(stack, secure=True)
    token = web_console.environment(secure)["LAB_CONSOLE_TOKEN"]
    assert len(token) >= 32
    assert web_console.url(secure) == f"http://localhost:{CONSOLE + stack.offset}/?token={token}"
    assert web_console.environment(secure)["LAB_CONSOLE_TOKEN"] == token, "after a restart of the console too"
    file = tmp_path / "private" / "console.token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_held_port_is_a_warning_and_nothing_more(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(web_console, "make", lambda _: Path("never"))
    with socket.create_server(("127.0.0.1", CONSOLE + stack.offset)):
        web_console.try_start(stack, STEPS)
    said = capsys.readouterr().err
    assert f"The console needs port {CONSOLE + stack.offset}, which " in said
    assert "The labs start without the console; ./lab restart console starts it later." in said
    assert not remembered.read(stack).console


def test_a_console_that_ends_at_once_says_why_and_leaves_no_process(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_console, "make", lambda _: Path("/bin/sh"))
    monkeypatch.setattr(web_console, "command", lambda _: ["/bin/sh", "-c", "echo Error: no nicegui; exit 3"])
    with pytest.raises(LabError, match=r"The console did not start\.[^$]*nicegui"):
        web_console.start(stack, STEPS)
    assert processes.find(stack) == []


@pytest.mark.parametrize("crashes", [1, watcher.AGAIN_AT_MOST + 1])
def test_an_open_up_goes_on_when_the_console_crashes(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, crashes: int
) -> None:
    """A console that crashes once is restarted; one that does so again and again is left alone, and so are the labs."""
    monkeypatch.setattr(watcher, "LOOK_EVERY", 0)
    monkeypatch.setattr(watcher, "_living", lambda _: {watcher.CONSOLE: 1})
    left = iter([watcher.CONSOLE] * 2 * crashes)

    def missing(*_: object) -> list[watcher.Part]:
        if (part := next(left, None)) is None or remembered.intent(stack, "console").exists():
            remembered.note(remembered.intent(stack, "down"), "down")
            return []
        return [part]

    monkeypatch.setattr(watcher, "missing", missing)
    monkeypatch.setattr(control, "restart", lambda *_, **__: 0.1)
    said: list[str] = []
    watcher.watch(stack, runfile.select(runfile.read_apps(stack), ["invocation"]), said.append)
    assert sum("console is ready again" in line for line in said) == min(crashes, watcher.AGAIN_AT_MOST)
    gave_up = [line for line in said if "The labs go on without the console" in line]
    assert len(gave_up) == (crashes > watcher.AGAIN_AT_MOST)


def test_a_restart_without_labs_says_how_to_start_both(stack: Stack) -> None:
    with pytest.raises(LabError, match=r"The lab is not up: \./lab up --console"):
        control.restart(stack, "console")


def _java(folder: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.21"])
def test_zipkin_refuses_an_old_java(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    _java(tmp_path, monkeypatch, version)
    with pytest.raises(LabError, match=rf"Java 17 or newer.*{version}.*Without Java, `./lab up --console`"):
        zipkin.program(stack, STEPS)


def test_zipkin_says_who_holds_its_port(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _java(tmp_path, monkeypatch, "17.0.15")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LabError, match=f"Zipkin needs port {port}, which "):
            zipkin.program(replace(stack, offset=port - ZIPKIN), STEPS)


def test_a_download_with_another_checksum_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven = tmp_path / "mvn"
    words = "for word; do case $word in -DoutputDirectory=*) folder=${word#*=};; esac; done"
    maven.write_text(f"#!/bin/sh\n{words}\nmkdir -p $folder && echo changed >$folder/zipkin.jar\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(zipkin, "_FOLDER", tmp_path / "zipkin")
    with pytest.raises(LabError, match=r"Zipkin does not have the pinned checksum"):
        zipkin.ensure(STEPS)
    assert not (tmp_path / "zipkin").exists()


def test_two_at_once_download_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        "#!/bin/sh",
        "for word; do case $word in -DoutputDirectory=*) folder=${word#*=};; esac; done",
        f"echo x >>{tmp_path}/calls",
        "sleep 0.5  # a download takes time",
        "mkdir $folder && echo it >$folder/a.jar",
    )
    (tmp_path / "mvn").write_text("\n".join(lines))
    (tmp_path / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program = maven.JavaProgram("Thing", "1", "1 MB", ("get",), hashlib.sha256(b"it\n").hexdigest())
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: program.ensure(tmp_path / "thing", STEPS), range(3)))
    assert (tmp_path / "calls").read_text() == "x\n"
    assert (tmp_path / "thing" / "a.jar").read_text() == "it\n"


def test_without_maven_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipkin, "_FOLDER", tmp_path / "zipkin")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"there is no mvn on PATH\. Install it"):
        zipkin.ensure(STEPS)
