"""With a proxy set, no call to this machine is one to the proxy."""

import os
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from kit.edge.proxy import LOCAL, bypass
from kit.edge.service import build
from kit.edge.settings import ServiceSettings

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
HOSTS = ("no_proxy", "no_grpc_proxy")


@pytest.fixture(autouse=True)
def _a_proxy_for_everything(monkeypatch, unused):
    for name in (*PROXIES, *HOSTS):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    for name in (*HOSTS, "NO_PROXY"):
        monkeypatch.setenv(name, "")  # so that it is restored after the test
    for name in PROXIES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused}")


@pytest.fixture
def unused():
    """A port of a proxy that is down."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def server():
    """The port of a gRPC server of this machine."""
    with ThreadPoolExecutor() as pool:
        server = grpc.server(pool)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port
        server.stop(0).wait()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_grpc_reaches_a_server_of_this_machine(server, host):
    bypass()
    with grpc.insecure_channel(f"{host}:{server}") as channel:
        grpc.channel_ready_future(channel).result(timeout=5)


def test_only_calls_to_this_machine_leave_out_the_proxy():
    bypass()
    direct = {host: bool(urllib.request.proxy_bypass(host)) for host in ("127.0.0.1", "localhost", "models.example")}
    assert direct == {"127.0.0.1": True, "localhost": True, "models.example": False}


@pytest.mark.parametrize(
    ("before", "after"),
    [("", LOCAL), ("*", "*"), ("intranet.example", f"intranet.example,{LOCAL}"), (f"a,{LOCAL}", f"a,{LOCAL}")],
)
def test_the_users_own_hosts_are_kept(monkeypatch, before, after):
    monkeypatch.setenv("no_proxy", before)
    bypass()
    bypass()
    assert {os.environ[name] for name in (*HOSTS, "NO_PROXY")} == {after}


def test_every_service_leaves_it_out(monkeypatch):
    build(ServiceSettings(_env_file=None), title="x", description="x", welcome="x", routers=[])
    assert os.environ["no_proxy"] == LOCAL
