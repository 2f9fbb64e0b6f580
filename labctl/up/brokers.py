"""Kafka, RabbitMQ and PostgreSQL, on which `./lab up --components` runs the labs in place of Redis."""

from __future__ import annotations

import base64
import os
import socket
import struct
import uuid
from pathlib import Path

from labctl.errors import LabError
from labctl.make.maven import JavaProgram
from labctl.progress import Steps
from labctl.stack import HOME, Stack
from labctl.up.broker import Broker, prepare
from labctl.up.postgres import Postgres


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
        if not self.folder.exists():
            self.jars.maven()

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
            prepare(self.name, [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(file)])
        return [*java, "kafka.Kafka", str(file)]


class RabbitMQ(Broker):
    """RabbitMQ, with the account `guest` that it makes itself and admits only from this machine."""

    name = "rabbitmq"
    programs, package = ("rabbitmq-server",), "rabbitmq-server"
    hello = b"AMQP\x00\x00\x09\x01"
    # Milliseconds. An event that a sidecar keeps without an answer then returns to its queue (docs/dapr-faults.md). It
    # is longer than all attempts of an event, but where they have no end (components/resiliency-forgetting.yaml).
    setting = "consumer_timeout = 120000"

    def welcomes(self, answer: bytes) -> bool:
        return answer.startswith(b"\x01")  # a frame with a method: Connection.Start

    def command(self, stack: Stack, data: Path) -> list[str]:
        (data / "plugins").write_text("[].\n")
        (data / "rabbitmq.conf").write_text(f"{self.setting}\n")
        return [self.program("rabbitmq-server")]

    def environment(self, stack: Stack, data: Path) -> dict[str, str]:
        return {
            "HOME": str(data),  # for its cookie
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(data / "rabbitmq"),
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


BROKERS: dict[str, Broker] = {one.name: one for one in (Kafka(), RabbitMQ(), Postgres())}


def ensure(stack: Stack, steps: Steps) -> None:
    """Make what the programs of the stack need that do not run yet. Raise LabError with what to do.

    A program that runs must let the components in.
    """
    for name in stack.brokers:
        port = stack.ports[name]
        if not serves(name, port):
            BROKERS[name].ensure(steps)
        elif why := BROKERS[name].refuses(port):
            raise LabError(f"The {name} on port {port} does not take the labs: {why}")


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
