"""The cluster of the tests, which has a known token, is out of the network's reach."""

from __future__ import annotations

import psutil

from labctl.up import processes
from tests.kubernetes.cluster import STACK, Cluster

# Dapr's programs listen everywhere with these, whatever address they are given (seen on 1.18.1). None needs the token:
# health, metrics, and the injector's webhook, which answers with a changed pod.
EVERYWHERE = (
    "injector",
    *(f"{name}-{part}" for name in ("sentry", "operator", "injector") for part in ("health", "metrics")),
)


def test_what_needs_the_token_listens_on_this_machine_only(cluster: Cluster) -> None:
    ours = {one.process.pid for one in processes.find(STACK)}
    sockets = [one for one in psutil.net_connections("tcp") if one.pid in ours and one.status == psutil.CONN_LISTEN]
    addresses = [one.laddr for one in sockets if one.laddr]
    assert {one.port for one in addresses} >= set(cluster.ports.values())
    open_ = {cluster.ports[name] for name in EVERYWHERE}
    assert {one.ip for one in addresses if one.port not in open_} <= {"127.0.0.1", "::1"}
