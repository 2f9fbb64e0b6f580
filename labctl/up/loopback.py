"""Keep every port of a sidecar on this machine's loopback, whatever addresses the machine has."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from labctl import files
from labctl.make.runtime import Runtime
from labctl.stack import Stack

# `dapr run` has no option for these, so a wrapper of daprd adds them.
FLAGS = "--metrics-listen-address 127.0.0.1 --dapr-internal-grpc-listen-address 127.0.0.1"


def environment(stack: Stack, runtime: Runtime) -> dict[str, str]:
    """Return an environment in which the Dapr CLI starts sidecars that listen on 127.0.0.1 and register that address.

    So nothing changes for them when the machine's address does, on a VPN, or when it has none.
    """
    wrapper = f'#!/bin/sh\nexec {quote(str(runtime.binary("daprd")))} "$@" {FLAGS}\n'
    return {"DAPR_RUNTIME_PATH": str(wrapped(stack.state / "dapr", runtime, wrapper)), "DAPR_HOST_IP": "127.0.0.1"}


def wrapped(path: Path, runtime: Runtime, wrapper: str) -> Path:
    """Make a folder in which the Dapr CLI finds this wrapper as daprd, and the Configuration of the runtime, if any."""
    files.put(path / ".dapr" / "bin" / "daprd", wrapper, 0o700)
    config = runtime.path / ".dapr" / "config.yaml"
    if config.exists():
        files.put(path / ".dapr" / "config.yaml", config.read_text())
    return path
