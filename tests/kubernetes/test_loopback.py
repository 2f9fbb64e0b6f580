"""The cluster of the tests, which has a known token, is out of the network's reach."""

from __future__ import annotations

import psutil

from labctl.up import processes
from tests.kubernetes.cluster import STACK, Cluster


def test_each_part_of_the_cluster_listens_on_this_machine_only(cluster: Cluster) -> None:
    ours = {one.process.pid for one in processes.find(STACK)}
    sockets = [one for one in psutil.net_connections("tcp") if one.pid in ours and one.status == psutil.CONN_LISTEN]
    addresses = [one.laddr for one in sockets if one.laddr]
    assert {one.port for one in addresses} >= set(cluster.ports.values())
    assert {one.ip for one in addresses} <= {"127.0.0.1", "::1"}
