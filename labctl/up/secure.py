"""Secure mode: API tokens, and mTLS for sidecars that the Dapr CLI starts."""

from __future__ import annotations

import json
import secrets
import shutil

from labctl.make.runtime import Runtime
from labctl.stack import Stack
from labctl.up import infrastructure


def make_tokens(stack: Stack) -> None:
    """Write new API tokens for a secure stack."""
    path = stack.state / "tokens.json"
    path.touch(mode=0o600)
    tokens = {name: secrets.token_urlsafe(24) for name in ("DAPR_API_TOKEN", "APP_API_TOKEN")}
    path.write_text(json.dumps(tokens))


def environment(stack: Stack, runtime: Runtime) -> dict[str, str]:
    """Return an environment that gives the sidecars of the CLI mTLS.

    The CLI knows only a sentry at localhost:50001 and no trust anchors. A wrapper of daprd adds the flags.
    """
    folder = stack.state / "secure" / ".dapr"
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(runtime.path / ".dapr" / "config.yaml", folder / "config.yaml")
    wrapper = folder / "bin" / "daprd"
    sentry = f"--enable-mtls --sentry-address 127.0.0.1:{stack.ports['sentry']} --control-plane-trust-domain localhost"
    wrapper.write_text(f'#!/bin/sh\nexec "{runtime.binary("daprd")}" "$@" {sentry}\n')
    wrapper.chmod(0o755)
    anchors = (infrastructure.credentials(stack) / "ca.crt").read_text()
    return {"DAPR_RUNTIME_PATH": str(folder.parent), "DAPR_TRUST_ANCHORS": anchors} | tokens(stack)


def tokens(stack: Stack) -> dict[str, str]:
    """Return the API tokens that app and sidecar show each other, as environment variables."""
    return json.loads((stack.state / "tokens.json").read_text())
