"""Kafka, RabbitMQ and PostgreSQL, on which `./lab up --components` runs the labs in place of Redis."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import struct
import subprocess
import uuid
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from labctl.errors import LabError
from labctl.make.maven import JavaProgram
from labctl.progress import Steps
from labctl.stack import BROKER_PORTS, HOME, Stack

# Debian keeps the programs of the first two off PATH.
_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/homebrew/sbin")


class Broker(ABC):
    """A program that the components of a variant need. Each keeps its data in a folder of the stack.

    programs, package: its programs on this machine, and the package that has them.
    hello: the first bytes of a client, which any server of this kind answers.
    """

    name: ClassVar[str]
    programs: ClassVar[tuple[str, ...]] = ()
    package: ClassVar[str] = ""
    hello: ClassVar[bytes]

    @abstractmethod
    def command(self, stack: Stack, data: Path) -> list[str]:
        """Return its command line. Make its data first, unless it is there. Raise LabError."""

    @abstractmethod
    def welcomes(self, answer: bytes) -> bool:
        """Return whether these are the first bytes of a server's answer."""

    def ensure(self, steps: Steps) -> None:
        """Find its programs, or download them. Raise LabError with what to install."""
        self.find()

    def find(self) -> None:
        """Find its programs. Raise LabError with what to install."""
        for program in self.programs:
            self.program(program)

    def missing(self) -> str:
        """Return a sentence about the program that is missing here. Empty if it can be started."""
        try:
            self.find()
        except LabError as error:
            return str(error)
        return ""

    def environment(self, stack: Stack, data: Path) -> dict[str, str]:
        """Return the environment of its process."""
        return {}

    def program(self, name: str) -> str:
        """Return the path of one of its programs. Raise LabError with what to install."""
        # The newest version first.
        folders = [str(folder) for pattern in _FOLDERS for folder in sorted(Path("/").glob(pattern[1:]), reverse=True)]
        if path := shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")])):
            return path
        port = BROKER_PORTS[self.name][self.name]
        mend = f"Install it (`sudo apt install {self.package}`, `brew install {self.package}`)"
        raise LabError(f"There is no {name}. {mend}, or run a {self.name} of your own on port {port}: docs/brokers.md.")


class Kafka(Broker):
    """Kafka without ZooKeeper: one process is broker and controller. Maven downloads it, and Java runs it."""

    name = "kafka"
    # ApiVersions, in version 0 and without a client id. The answer has the number of the request too.
    hello = struct.pack(">ihhih", 10, 18, 0, 7, -1)
    jars = JavaProgram(
        "Kafka",
        "3.9.1",
        "46 MB",
        ("copy-dependencies",),
        "21ade6a3aeae0d707bd57b8ce6222ea6c67736d59a53e1c01cf373140b055993",
        pom="""\
<project>
  <modelVersion>4.0.0</modelVersion><groupId>lab</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>3.9.1</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
""",
        without="Or run a Kafka of your own on port 9092.",
    )
    folder = HOME / f"kafka-{jars.version}"

    def ensure(self, steps: Steps) -> None:
        self.find()
        self.jars.ensure(self.folder, steps)

    def find(self) -> None:
        self.jars.java()

    def welcomes(self, answer: bytes) -> bool:
        return answer[4:8] == self.hello[8:12]

    def command(self, stack: Stack, data: Path) -> list[str]:
        client, controller = stack.ports["kafka"], stack.ports["kafka-controller"]
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@localhost:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://localhost:{client}",
            "log.dirs": data / "logs",
            # The controller holds a killed broker for alive this long, and until then refuses its restart.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 1000,
            # A topic has this many events in work at once, like a topic on Redis without `concurrency`.
            "num.partitions": 10,
            # One broker, and sidecars that join their group at once.
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 3,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
        }
        file = data / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        java = [self.jars.java(), "-Xmx512m", "-cp", str(self.folder / "*")]
        if not (data / "logs" / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            _prepare(self.name, [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(file)])
        return [*java, "kafka.Kafka", str(file)]


class RabbitMQ(Broker):
    """RabbitMQ, with the account `guest` that it makes itself and admits only from this machine."""

    name = "rabbitmq"
    programs, package = ("rabbitmq-server",), "rabbitmq-server"
    hello = b"AMQP\x00\x00\x09\x01"

    def welcomes(self, answer: bytes) -> bool:
        return answer.startswith(b"\x01")  # a frame with a method: Connection.Start

    def command(self, stack: Stack, data: Path) -> list[str]:
        (data / "plugins").write_text("[].\n")
        return [self.program("rabbitmq-server")]

    def environment(self, stack: Stack, data: Path) -> dict[str, str]:
        return {
            "HOME": str(data),  # for its cookie
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(data / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(data / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(data),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_NODENAME": "lab@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(stack.ports["rabbitmq"]),
            "RABBITMQ_DIST_PORT": str(stack.ports["rabbitmq-nodes"]),
            "ERL_EPMD_PORT": str(stack.ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_FLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # Otherwise a shell stays between ./lab and the server.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


class Postgres(Broker):
    """PostgreSQL, with the account and the database that the components name."""

    name = "postgres"
    programs, package = ("postgres", "initdb"), "postgresql"
    account = "dapr"
    # The startup message of protocol 3.0.
    hello = b"\x00\x00\x00\x21\x00\x03\x00\x00user\x00dapr\x00database\x00dapr\x00\x00"

    def welcomes(self, answer: bytes) -> bool:
        return answer.startswith(b"R")  # it asks for a password, or needs none; while it starts it answers an error

    def command(self, stack: Stack, data: Path) -> list[str]:
        server, initdb = (self.program(name) for name in self.programs)
        user: list[str] = []
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root. Its own user must reach the data through the stack's folder.
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            stack.state.chmod(0o711)
            shutil.chown(data, "postgres", "postgres")
        if not (data / "PG_VERSION").exists():
            _prepare(self.name, [*user, initdb, "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8"])
            alone = [*user, server, "--single", "-D", str(data), "postgres"]
            made = f"CREATE ROLE {self.account} LOGIN\nCREATE DATABASE {self.account} OWNER {self.account}\n"
            _prepare(self.name, alone, made)
            # Like Redis it asks for no password. It admits only this account, which has no rights outside its database.
            (data / "pg_hba.conf").write_text(f"host {self.account} {self.account} 127.0.0.1/32 trust\n")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": stack.ports["postgres"],
            "unix_socket_directories": "",
            "max_connections": 300,  # each store of each sidecar has some
        }
        return [*user, server, "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())]


BROKERS: dict[str, Broker] = {one.name: one for one in (Kafka(), RabbitMQ(), Postgres())}


def ensure(stack: Stack, steps: Steps) -> None:
    """Make what the programs of the stack need that do not run yet. Raise LabError with what to install."""
    for name in stack.brokers:
        if not serves(name, stack.ports[name]):
            BROKERS[name].ensure(steps)


def serves(name: str, port: int) -> bool:
    """Return whether this program serves its clients on that port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(BROKERS[name].hello)
            return BROKERS[name].welcomes(connection.recv(64))
    except OSError:
        return False


def command(stack: Stack, name: str) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of a program for this stack. Raise LabError."""
    data = stack.state / name
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return BROKERS[name].command(stack, data), BROKERS[name].environment(stack, data)


def _prepare(name: str, command: list[str], text: str = "") -> None:
    done = subprocess.run(command, input=text, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise LabError(f"{name} could not make its data: {' '.join(said[-2:])[:400]}")
