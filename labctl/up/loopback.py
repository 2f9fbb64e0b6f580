"""Keep every port of a sidecar on this machine's loopback, whatever addresses the machine has."""

from __future__ import annotations

import shutil
from shlex import quote

from labctl.make.runtime import Runtime
from labctl.stack import Stack

# `dapr run` has no option for these, so a wrapper of daprd adds them.
FLAGS = "--metrics-listen-address 127.0.0.1 --dapr-internal-grpc-listen-address 127.0.0.1"


def environment(stack: Stack, runtime: Runtime) -> dict[str, str]:
    """Return an environment in which the Dapr CLI starts sidecars that listen on 127.0.0.1 and register that address.

    So nothing changes for them when the machine's address does, on a VPN, or when it has none.
    """
    folder = stack.state / "dapr" / ".dapr"
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(runtime.path / ".dapr" / "config.yaml", folder / "config.yaml")
    wrapper = folder / "bin" / "daprd"
    wrapper.write_text(f'#!/bin/sh\nexec {quote(str(runtime.binary("daprd")))} "$@" {FLAGS}\n')
    wrapper.chmod(0o755)
    return {"DAPR_RUNTIME_PATH": str(folder.parent), "DAPR_HOST_IP": "127.0.0.1"}
