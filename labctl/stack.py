"""A stack: one running instance of the labs, with its ports and its state folder.

`./lab up` runs the stack `default` on the plan's ports. Tests, benches and chaos runs use stacks of their own,
10000 above, so that they never touch what a user runs. LAB_TEST_OFFSET moves them, for two checkouts at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from socket import AF_INET

import psutil

from labctl.errors import LabError

ROOT = Path(os.environ.get("LAB_ROOT", Path(__file__).resolve().parent.parent))
HOME = Path(os.environ.get("LAB_HOME", ROOT / ".lab"))

# Every process of a stack carries this variable (value: the state folder), so that no pid file can go stale.
STACK_VARIABLE = "LAB_SITE"
# Redis, placement, scheduler and sentry also carry their own name.
ROLE_VARIABLE = "LAB_ROLE"

TEST_OFFSET = int(os.environ.get("LAB_TEST_OFFSET", "10000"))

# The ports that `dapr init` uses, and for what it leaves to chance, ports of the plan's kind (below 32768).
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
# A control plane of our own beside it: with TLS for `--secure`, and for every stack but the default one.
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


def infrastructure_ports(offset: int, secure: bool = False) -> dict[str, int]:
    """Port of each infrastructure process by name (`redis`, `placement`, `placement-health`, …).

    Sources: the defaults of `dapr init`; for the rest shared/spec.md's rule (the plan plus 10000, all below 32768).
    """
    if offset == 0 and not secure:
        return dict(_DAPR_INIT_PORTS)
    return {name: port + offset for name, port in _OWN_PORTS.items()}


def is_offline() -> bool:
    """Whether this machine has no address but that of its loopback, as a laptop on a train."""
    up = [name for name, state in psutil.net_if_stats().items() if state.isup]
    addresses = [one.address for name in up for one in psutil.net_if_addrs()[name] if one.family == AF_INET]
    return all(address.startswith("127.") for address in addresses)


@dataclass(frozen=True)
class Stack:
    """Where one instance of the labs runs: its name, port offset, whether it is the mTLS one, and without a network."""

    name: str = "default"
    offset: int = 0
    secure: bool = False
    offline: bool = False

    @classmethod
    def from_environment(cls) -> Stack:
        """The stack that `LAB_SITE_NAME` and `LAB_PORT_OFFSET` name; the default one when neither is set.

        Raises LabError for an offset that is no number.
        """
        name = os.environ.get("LAB_SITE_NAME", "default")
        offset = os.environ.get("LAB_PORT_OFFSET", "0" if name == "default" else str(TEST_OFFSET))
        if not offset.isdigit():
            raise LabError(f"LAB_PORT_OFFSET is {offset!r}, and has to be a number such as 10000.")
        return cls(name=name, offset=int(offset), offline=is_offline())

    @property
    def state(self) -> Path:
        """Its folder, one for each name and offset: run files, Redis and scheduler data, logs."""
        return HOME / "sites" / (f"{self.name}-{self.offset}" if self.offset else self.name)

    @property
    def logs(self) -> Path:
        """One log file for each infrastructure process, and links to those of the apps and sidecars."""
        return self.state / "logs"

    @cached_property
    def ports(self) -> dict[str, int]:
        """Infrastructure ports by name."""
        return infrastructure_ports(self.offset, self.secure)

    @property
    def has_its_own_names(self) -> bool:
        """Whether its sidecars find each other by a registry of the stack's own, and not by multicast DNS.

        That one answers for every app id of the machine, so it would mix two stacks; and it needs a network.
        """
        return self.offset != 0 or self.offline

    @property
    def shares_infrastructure(self) -> bool:
        """Whether a Redis or control plane that somebody else started is used as it is."""
        return self.offset == 0 and not self.secure
