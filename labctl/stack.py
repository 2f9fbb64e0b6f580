"""A stack: one running instance of the labs, with its ports and its state folder.

`./lab up` runs the stack `default` on the plan's ports. Tests, benches and chaos runs use stacks of their own,
10000 above, so that they never touch what a user runs. LAB_TEST_OFFSET moves them, for two checkouts at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from labctl.errors import LabError

# Without symbolic links, so that a clone that is reached by two paths is one clone.
ROOT = Path(os.environ.get("LAB_ROOT", Path(__file__).parent.parent)).resolve()
HOME = Path(os.environ.get("LAB_HOME", ROOT / ".lab")).resolve()

# Every process of a stack has this variable (value: the state folder). It replaces pid files, which can be stale.
STACK_VARIABLE = "LAB_STACK"
# Redis, placement, scheduler and sentry also have their name in this one.
ROLE_VARIABLE = "LAB_ROLE"

TEST_OFFSET = int(os.environ.get("LAB_TEST_OFFSET", "10000"))
_LARGEST_OFFSET = 50_000  # above it, a port of the plan would be none

# The ports that `dapr init` uses. Where it uses random ones: ports of the plan's kind, below 32768.
_DAPR_INIT_PORTS = {
    "redis": 6379,
    "placement": 50005,
    "placement-health": 7105,
    "placement-metrics": 7205,
    "placement-raft": 7305,
    "scheduler": 50006,
    "scheduler-health": 7106,
    "scheduler-metrics": 7206,
    "scheduler-etcd": 2379,
    "scheduler-etcd-peer": 2380,
}
# A control plane of our own beside it: for `--own`, with TLS for `--secure`, and for every stack but the default one.
_OWN_PORTS = {
    "redis": 6379,
    "placement": 7005,
    "placement-health": 7115,
    "placement-metrics": 7215,
    "placement-raft": 7315,
    "scheduler": 7006,
    "scheduler-health": 7116,
    "scheduler-metrics": 7216,
    "scheduler-etcd": 7079,
    "scheduler-etcd-peer": 7080,
    "sentry": 7001,
    "sentry-health": 7111,
    "sentry-metrics": 7211,
}
# The Redis of `--secure` has a password, so it is never the one that another program uses.
_SECURE_REDIS = 7379
# The programs of `--components`, on their usual ports. Only they themselves use the other ports.
BROKER_PORTS = {
    "kafka": {"kafka": 9092, "kafka-controller": 9093},
    "rabbitmq": {"rabbitmq": 5672, "rabbitmq-nodes": 9095, "epmd": 9096},
    "postgres": {"postgres": 5432},
}
# Stacks with an offset have RabbitMQ here: its usual port would meet those of other stacks.
_MOVED_RABBITMQ = 9094


def broker_ports(offset: int, names: Iterable[str] = BROKER_PORTS) -> dict[str, int]:
    """Port of each program of `--components` by name (`kafka`, `kafka-controller`, …)."""
    ports = {label: port for name in names for label, port in BROKER_PORTS[name].items()}
    if offset and "rabbitmq" in ports:
        ports["rabbitmq"] = _MOVED_RABBITMQ
    return {label: port + offset for label, port in ports.items()}


def infrastructure_ports(offset: int, secure: bool = False) -> dict[str, int]:
    """Port of each infrastructure process by name (`redis`, `placement`, `placement-health`, …).

    Sources: the defaults of `dapr init`; for the rest the plan in README.md, plus 10000 (all below 32768).
    """
    if offset == 0 and not secure:
        return dict(_DAPR_INIT_PORTS)
    ports = _OWN_PORTS | ({"redis": _SECURE_REDIS} if secure else {})
    return {name: port + offset for name, port in ports.items()}


# The rights of a stack's folder through which the user of its group, PostgreSQL's, must reach its data.
THROUGH = 0o710


@dataclass(frozen=True)
class Stack:
    """Where one instance of the labs runs: its name, its port offset, and whether it is the mTLS one.

    own: on the pinned Dapr, with a separate control plane, beside a `dapr init`.
    components: the folder of variants/ that replaces brokers and stores. Empty: all of them are Redis.
    """

    name: str = "default"
    offset: int = 0
    secure: bool = False
    own: bool = False
    components: str = ""

    @classmethod
    def from_environment(cls) -> Stack:
        """Return the stack that `LAB_STACK_NAME` and `LAB_PORT_OFFSET` name, or the default one.

        Raise LabError for an offset that is no number.
        """
        name = os.environ.get("LAB_STACK_NAME", "default")
        offset = os.environ.get("LAB_PORT_OFFSET", "0" if name == "default" else str(TEST_OFFSET))
        if not offset.isdecimal() or int(offset) > _LARGEST_OFFSET:
            raise LabError(
                f"LAB_PORT_OFFSET is {offset!r}. It must be a number up to {_LARGEST_OFFSET}, such as 10000."
            )
        return cls(name=name, offset=int(offset))

    @property
    def state(self) -> Path:
        """Its folder, one for each name and offset: run files, Redis and scheduler data, logs."""
        return HOME / "stacks" / (f"{self.name}-{self.offset}" if self.offset else self.name)

    @property
    def logs(self) -> Path:
        """One log file for each infrastructure process, and links to those of the apps and sidecars."""
        return self.state / "logs"

    @cached_property
    def ports(self) -> dict[str, int]:
        """Infrastructure ports by name."""
        ports = infrastructure_ports(self.offset, self.secure or self.own)
        # Redis is below any Dapr, so the components keep its port. Only that of a secure stack has a password.
        ports = ports if self.secure else ports | {"redis": _OWN_PORTS["redis"] + self.offset}
        return ports | broker_ports(self.offset, self.brokers)

    @property
    def brokers(self) -> list[str]:
        """The programs that its components need beside Redis. A variant is named after them: `kafka-postgres`."""
        return self.components.split("-") if self.components else []

    @property
    def shares_infrastructure(self) -> bool:
        """Whether the stack uses a Redis or control plane that was not started by ./lab."""
        return self.offset == 0 and not (self.secure or self.own)

    def make_state(self) -> None:
        """Make its folder, for its owner only: logs and data hold users' texts."""
        self.state.mkdir(parents=True, exist_ok=True)
        if self.state.stat().st_mode & 0o777 != THROUGH:
            self.state.chmod(0o700)
