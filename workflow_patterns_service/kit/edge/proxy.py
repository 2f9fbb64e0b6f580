"""Call this machine without a proxy, where one is set for everything else."""

import os

LOCAL = "127.0.0.1,localhost,::1"


def bypass() -> None:
    """Add this machine to the hosts without a proxy. gRPC and urllib would ask a proxy for 127.0.0.1 too."""
    hosts = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if hosts != "*" and LOCAL not in hosts:
        hosts = f"{hosts},{LOCAL}".lstrip(",")
    # gRPC prefers the last, Go the second, and everything else the first.
    os.environ.update(dict.fromkeys(("no_proxy", "NO_PROXY", "no_grpc_proxy"), hosts))
