"""A stack's copies of the Configuration and of components/: no traces without a Zipkin, no file written in vain."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml

from labctl import runfile, stack
from labctl.make.runtime import Runtime
from labctl.stack import Stack
from labctl.up import loopback


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(stack, "HOME", tmp_path)
    return tmp_path


def tracing(port: int) -> dict[str, object]:
    """Return the tracing of a stack whose Zipkin would have that port."""
    return yaml.safe_load(runfile.stack_config(Stack("copies", port - runfile.ZIPKIN)).read_text())["spec"]["tracing"]


def test_spans_are_sent_only_to_a_zipkin_that_listens(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as zipkin:
        port = zipkin.getsockname()[1]
        address = f"http://localhost:{port}/api/v2/spans"
        assert tracing(port) == {"samplingRate": "1", "zipkin": {"endpointAddress": address}}
    assert tracing(port) == {"samplingRate": "1"}, "trace ids all the same"


def test_only_resources_that_changed_are_written_again(home: Path, tmp_path: Path) -> None:
    folder, mine = tmp_path / "components", Stack("copies", 10_000)
    folder.mkdir()
    for name in ("store", "policy", "gone"):
        (folder / f"{name}.yaml").write_text(f"{name}: localhost:6379\n")
    copies = runfile.stack_resources(mine, [folder], "dapr.yaml")
    before = {path.name: path.stat().st_mtime_ns for path in copies.iterdir()}
    assert (copies / "store.yaml").read_text() == f"store: localhost:{mine.ports['redis']}\n"
    (folder / "policy.yaml").write_text("policy: 2\n")
    (folder / "gone.yaml").unlink()
    runfile.stack_resources(mine, [folder], "dapr.yaml")
    after = {path.name: path.stat().st_mtime_ns for path in copies.iterdir()}
    assert (copies / "policy.yaml").read_text() == "policy: 2\n"
    assert set(after) == {"store.yaml", "policy.yaml"}
    assert after["store.yaml"] == before["store.yaml"], "its sidecars would load it again"


@pytest.mark.parametrize(
    "mine", [Stack("copies"), Stack("copies", own=True), Stack("copies", 10000, own=True)], ids=str
)
def test_the_components_name_the_redis_of_the_stack(home: Path, mine: Stack) -> None:
    folder = runfile.stack_resources(mine, [stack.ROOT / "components"], "dapr.yaml")
    store = yaml.safe_load((folder / "actorstore.yaml").read_text())
    assert {"name": "redisHost", "value": f"localhost:{mine.ports['redis']}"} in store["spec"]["metadata"]


def test_a_secure_stack_writes_the_password_of_redis_into_its_actor_stores(home: Path, tmp_path: Path) -> None:
    mine = Stack("copies", secure=True)
    (mine.state / "private").mkdir(parents=True)
    (mine.state / "private" / "redis.conf").write_text("requirepass -s3cret_\n")
    copies = runfile.stack_resources(mine, [stack.ROOT / "components"], "dapr.yaml")
    store = yaml.safe_load((copies / "actorstore.yaml").read_text())
    assert {"name": "redisPassword", "value": "-s3cret_"} in store["spec"]["metadata"]
    assert (copies / "actorstore.yaml").stat().st_mode & 0o777 == 0o600


def test_a_file_that_another_start_reads_or_executes_is_replaced_whole(home: Path) -> None:
    """Tilt starts all apps at once. This Dapr of a user's has no Configuration either."""

    def wrapper(dapr: str) -> Path:
        made = loopback.environment(Stack("copies"), Runtime(dapr, home / dapr, home / dapr))
        return Path(made["DAPR_RUNTIME_PATH"]) / ".dapr" / "bin" / "daprd"

    with wrapper("old").open() as busy:
        assert "/new/" in wrapper("new").read_text()
        assert "/old/" in busy.read()
    before = wrapper("new").stat()
    assert before.st_mode & 0o777 == 0o700
    assert wrapper("new").stat().st_ino == before.st_ino
    assert [path.name for path in wrapper("new").parent.parent.rglob("*")] == ["bin", "daprd"]
