"""./lab up --components: names, programs that are missing, and a stack that runs on other components."""

from __future__ import annotations

import re
import socket
import threading
from pathlib import Path

import pytest
import yaml

from labctl import runfile, stack, testing, variants
from labctl.errors import LabError
from labctl.stack import ROOT, Stack, broker_ports
from labctl.up import broker, brokers, commands, control, infrastructure, joining, postgres, remembered
from labctl.up.remembered import Run

KAFKA = Stack("brokers", 10_000, components="kafka-postgres")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(stack, "HOME", tmp_path)
    return tmp_path


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LabError, match=r"no components 'kafka'\. These are .*: kafka-postgres, rabbitmq-postgres\."):
        commands.up(components="kafka")


def test_a_secure_stack_has_no_other_components() -> None:
    with pytest.raises(LabError, match="exclude each other"):
        commands.up(secure=True, components="kafka-postgres")


def test_a_stack_runs_the_programs_that_its_components_need() -> None:
    assert infrastructure.names(Stack()) == ["redis", "placement", "scheduler"]
    assert infrastructure.names(KAFKA) == ["redis", "kafka", "postgres", "placement", "scheduler"]
    assert {name: KAFKA.ports[name] for name in KAFKA.brokers} == {"kafka": 19092, "postgres": 15432}
    assert set(broker_ports(0)) & set(Stack().ports) == set()


def test_components_are_remembered_with_the_stack(home: Path) -> None:
    remembered.write(KAFKA, Run(components=KAFKA.components))
    assert remembered.present(Stack(KAFKA.name, KAFKA.offset)) == KAFKA


def test_other_components_do_not_join(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_STACK_NAME", "brokers")

    def running(_: Stack) -> set[str]:
        return {"callee-app"}

    monkeypatch.setattr(joining, "running", running)
    with pytest.raises(LabError, match=r"run already, without --components kafka-postgres\. End them"):
        commands.up(components="kafka-postgres")


@pytest.mark.parametrize("variant", variants.names())
def test_sidecars_get_the_variant_on_the_ports_of_the_stack(home: Path, variant: str) -> None:
    mine = Stack("brokers", 10_000, components=variant)
    file = runfile.write_copy(mine, runfile.read_apps(mine))
    (folder,) = yaml.safe_load(file.read_text())["common"]["resourcesPaths"]
    texts = {path.name: path.read_text() for path in Path(folder).iterdir()}
    assert texts.keys() == {path.name for path in (ROOT / "components").glob("*.yaml")}
    assert f"localhost:{mine.ports[variant.split('-')[0]]}" in texts["pubsub.yaml"]
    assert f"localhost:{mine.ports['postgres']}/" in texts["actorstore.yaml"]
    assert f"localhost:{mine.ports['redis']}" in texts["lockstore.yaml"]


def test_on_kafka_no_sidecar_of_an_app_without_jobs_takes_it_for_unhealthy(home: Path) -> None:
    apps = yaml.safe_load(runfile.write_copy(KAFKA, runfile.read_apps(KAFKA)).read_text())["apps"]
    without = [app["appID"] for app in apps if app.get("enableAppHealthCheck") is False]
    assert sorted(without) == ["notification-service", "pizza-order"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("kafka", r"no java on PATH.*Or run a Kafka of your own on port 9092"),
        ("rabbitmq", r"There is no rabbitmq-server\. Install it \(`sudo apt install rabbitmq-server`.* port 5672"),
        ("postgres", r"There is no postgres\. Install it \(`sudo apt install postgresql`.* port 5432"),
    ],
)
def test_a_missing_program_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker, "_FOLDERS", ())
    with pytest.raises(LabError, match=said):
        brokers.BROKERS[name].find()
    assert brokers.BROKERS[name].missing()


def test_what_a_server_of_your_own_needs_is_on_the_page() -> None:
    page = (ROOT / "docs/brokers.md").read_text()
    made = re.findall(r'-c "([^"]+)"', postgres.MEND)
    assert [statement.split()[1] for statement in made] == ["ROLE", "DATABASE"]
    assert [needed for needed in (*made, brokers.RabbitMQ.setting) if f"`{needed}`" not in page] == []


@pytest.mark.parametrize("name", brokers.BROKERS)
def test_another_server_on_its_port_is_not_taken_for_it(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answers = threading.Thread(target=_answer, args=(server,))
        answers.start()
        assert not brokers.serves(name, server.getsockname()[1])
        answers.join()
        port = server.getsockname()[1]
    assert not brokers.serves(name, port)


def _answer(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(64)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_part_that_does_not_run_says_that_the_lab_is_not_up(home: Path) -> None:
    with pytest.raises(LabError, match=r"The lab is not up: \./lab up"):
        control.restart(Stack("brokers", 10_000), "kafka")


def test_the_tests_of_the_brokers_exist() -> None:
    assert [path for path in testing.PARTS["brokers"] if not (ROOT / path).exists()] == []
