"""Find or start Redis, placement and scheduler, sentry for mTLS, and the programs of `--components`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from labctl.errors import LabError
from labctl.make import redis_server
from labctl.make.runtime import Runtime
from labctl.runfile import App
from labctl.stack import Stack
from labctl.terminal import problems
from labctl.up import alive, brokers, causes, logfiles, processes

EVERY = ("redis", *brokers.BROKERS, "sentry", "placement", "scheduler")
READY_WITHIN = 40  # seconds; a scheduler that was killed waits some 22 s for its old leadership lease
SILENT_FOR = 2  # seconds, then the reason for a wait is printed
LENT_FOR = 65  # seconds; Linux keeps a port for 60 after its connection has ended


@dataclass(frozen=True)
class Infrastructure:
    """One process below the labs: its name, port, pid where it can be seen, and whether this stack started it."""

    name: str
    pid: int | None
    port: int
    ours: bool


def names(stack: Stack) -> list[str]:
    """Return the names of the processes that a stack needs, in their starting order."""
    chosen = {"redis", *stack.brokers, "placement", "scheduler", *(["sentry"] if stack.secure else [])}
    return [name for name in EVERY if name in chosen]


def is_shared(stack: Stack, name: str) -> bool:
    """Return whether this stack would use a process of that name that was not started by ./lab."""
    below_dapr = name in ("redis", *stack.brokers)
    return stack.shares_infrastructure or (below_dapr and stack.own and not stack.secure)


def look(stack: Stack) -> list[Infrastructure]:
    """Return the processes that run now, ours or not."""
    ours = {one.name: one.pid for one in processes.find(stack) if one.kind == "infrastructure"}
    seen: list[Infrastructure] = []
    for name in names(stack):
        port = stack.ports[name]
        if name in ours:
            seen.append(Infrastructure(name, ours[name], port, ours=True))
        elif is_shared(stack, name) and _answers(name, port):
            seen.append(Infrastructure(name, processes.holder_pid(port), port, ours=False))
    return seen


def _answers(name: str, port: int) -> bool:
    if name in brokers.BROKERS:
        return brokers.serves(name, port)
    return redis_server.speaks_redis(port) if name == "redis" else processes.answers(port)


def start(stack: Stack, name: str, runtime: Runtime) -> bool:
    """Start one of them unless it runs, and wait until it serves. Return whether it was started.

    Raise LabError when another process holds its port, or when it does not start.
    """
    if name in {one.name for one in look(stack)}:
        if name == "redis":
            refuse_dead_redis(stack)
        return False
    for port in (port for label, port in stack.ports.items() if label.partition("-")[0] == name):
        if who := processes.holder(port):
            raise LabError(f"{name} needs port {port}, which {who} holds. End that process and try again.")
        wait_for_lent(name, port)
    log = stack.logs / f"{name}.log"
    offset = logfiles.rotate(log)
    stack.make_state()
    if name in brokers.BROKERS:
        words, environment = brokers.command(stack, name)
    else:
        words, environment = command(stack, name, runtime), {"NAMESPACE": "default"}
    process = processes.spawn(stack, name, words, env=environment, cwd=stack.state, log=log)
    processes.wait_until(lambda: process.poll() is not None or serves(stack, name), READY_WITHIN)
    if process.poll() is not None or not serves(stack, name):
        if any("Can't handle RDB format" in row for row in causes.read(log, offset)):
            mend = "Put that redis-server on PATH, or delete the data: ./lab down --forget"
            raise LabError(f"Redis did not start: a newer one wrote its data in {stack.state / 'redis'}. {mend}")
        raise alive.ended(stack, name, log, offset, how="did not start")
    return True


def wait_for_lent(name: str, port: int) -> None:
    """Wait until a port is free that Linux has given to an outgoing connection, as it may those of `dapr init`."""
    if not processes.wait_until(partial(processes.is_free, port), SILENT_FOR):
        problems.print(f"{name} waits up to {LENT_FOR} s for port {port}: a connection holds it, or held it just now.")
        processes.wait_until(partial(processes.is_free, port), LENT_FOR)


def refuse_dead_redis(stack: Stack, looks: int = 1) -> None:
    """Raise LabError when Redis is dead or hangs. Without it no sidecar starts, and the CLI waits in silence.

    looks: the number that must fail in a row. A slow disk may keep Redis from one answer.
    """
    if not any(serves(stack, "redis") for _ in range(looks)):
        running = next((one for one in look(stack) if one.name == "redis"), None)
        what = f"hangs (pid {running.pid})" if running else "does not run"
        raise LabError(f"redis {what}, so nothing answers on port {stack.ports['redis']}: ./lab restart redis.")


def serves(stack: Stack, name: str) -> bool:
    """Return whether it can be used now."""
    if name == "redis" or name in brokers.BROKERS:
        return _answers(name, stack.ports[name])
    return processes.http_status(stack.ports[f"{name}-health"], "/healthz") == 200 and processes.answers(
        stack.ports[name]
    )


def forget(stack: Stack, apps: Sequence[App]) -> list[str]:
    """Delete data and logs of a stopped stack. Return the names of the processes that had data."""
    kept = [name for name in EVERY if name != "sentry" and (stack.state / name).exists()]
    for folder in (*kept, "logs", "parked"):
        shutil.rmtree(stack.state / folder, ignore_errors=folder not in kept)
    logfiles.prune(apps, keep=0)
    return kept


def command(stack: Stack, name: str, runtime: Runtime) -> list[str]:
    """Return the command line of one of them for this stack. Raise LabError when its program is missing."""
    if name == "redis":
        redis = redis_server.find_redis()
        if redis is None:
            raise LabError("redis-server is missing: ./lab setup fetches it.")
        data = stack.state / "redis"
        data.mkdir(parents=True, exist_ok=True)
        port = str(stack.ports["redis"])
        # Every acknowledged write is on disk before the answer. All promises of the labs about kill -9 depend on this.
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        # Expired stream entries are freed one by one. The default is a hundred at a time.
        streams = ["--stream-node-max-entries", "1"]
        # Otherwise Redis overwrites its environment, by which a stack finds its processes.
        plain = ["--set-proc-title", "no"]
        # With a password in a file, because a command line is readable for all users.
        config = [str(redis_config(stack))] if stack.secure else []
        place = ["--port", port, "--bind", "127.0.0.1", "--dir", str(data)]
        return [str(redis), *config, *place, *durable, *streams, *plain]
    binary = runtime.binary(name)
    if not binary.exists():
        raise LabError(
            f"{name} does not answer on port {stack.ports[name]} and {binary} does not exist. "
            "Is Docker running? `dapr init` starts it in a container."
        )
    common = [str(binary), "--port", str(stack.ports[name]), "--listen-address", "127.0.0.1"]
    common += ["--healthz-port", str(stack.ports[f"{name}-health"]), "--healthz-listen-address", "127.0.0.1"]
    common += ["--metrics-port", str(stack.ports[f"{name}-metrics"]), "--metrics-listen-address", "127.0.0.1"]
    return common + {"placement": _placement, "scheduler": _scheduler, "sentry": _sentry}[name](stack)


def redis_config(stack: Stack) -> Path:
    """Return the file that sets the password of a secure stack's Redis."""
    return stack.state / "private" / "redis.conf"


def credentials(stack: Stack) -> Path:
    """Return the folder in which sentry keeps the certificate authority of a secure stack."""
    return stack.state / "sentry"


def tls(stack: Stack) -> list[str]:
    """Return the flags that make placement and scheduler use mTLS in a secure stack."""
    if not stack.secure:
        return []
    sentry = ["--tls-enabled", "--sentry-address", f"127.0.0.1:{stack.ports['sentry']}", "--trust-domain", "localhost"]
    return [*sentry, "--trust-anchors-file", str(credentials(stack) / "ca.crt")]


def _placement(stack: Stack) -> list[str]:
    member = f"dapr-placement-0=127.0.0.1:{stack.ports['placement-raft']}"
    return ["--id", "dapr-placement-0", "--initial-cluster", member, *tls(stack)]


def _scheduler(stack: Stack) -> list[str]:
    data = stack.state / "scheduler"
    data.mkdir(parents=True, exist_ok=True)
    peer = f"dapr-scheduler-server-0=http://localhost:{stack.ports['scheduler-etcd-peer']}"
    etcd = ["--etcd-data-dir", str(data), "--etcd-client-port", str(stack.ports["scheduler-etcd"])]
    address = f"127.0.0.1:{stack.ports['scheduler']}"
    return [*etcd, "--etcd-initial-cluster", peer, "--override-broadcast-host-port", address, *tls(stack)]


def _sentry(stack: Stack) -> list[str]:
    folder = credentials(stack)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = stack.state / "sentry.yaml"
    mtls = {"enabled": True, "workloadCertTTL": "24h", "allowedClockSkew": "15m"}
    document = {"apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": {"name": "daprsystem"}}
    config.write_text(yaml.safe_dump(document | {"spec": {"mtls": mtls}}))
    return ["--issuer-credentials", str(folder), "--config", str(config), "--trust-domain", "localhost"]
