"""Secure mode: tokens for each app, a password for Redis, and mTLS for sidecars that the Dapr CLI starts."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import replace
from pathlib import Path
from shlex import quote

from labctl import files
from labctl.make.runtime import Runtime
from labctl.runfile import App
from labctl.stack import ROOT, Stack
from labctl.up import infrastructure, loopback

# A Configuration for every app, and on top of it its own: its callers, their routes, and the secrets it may read.
DOORS = ROOT / "config" / "secure"
TOKENS = ("DAPR_API_TOKEN", "APP_API_TOKEN")

WRAPPER = """\
#!/bin/sh
# Start a sidecar of secure mode: with its own tokens, its own doors, and mTLS.
app= previous=
for word in "$@"; do
    if [ "$previous" = --app-id ]; then app=$word; fi
    previous=$word
done
if [ -n "$app" ]; then
    set -a
    . {secrets}/"$app".env
    DAPR_TRUST_ANCHORS=$(cat {anchors})
    set +a
    set -- "$@" --config {doors}/default.yaml --resources-path {doors}/workflows
    if [ -f {doors}/"$app.yaml" ]; then set -- "$@" --config {doors}/"$app.yaml"; fi
    set -- "$@" --enable-mtls --sentry-address {sentry} --control-plane-trust-domain localhost
fi
exec {daprd} "$@" {loopback}
"""


def make_secrets(stack: Stack, apps: list[App]) -> None:
    """Write new tokens for each app and a new password for Redis. Only this user can read them."""
    folder = infrastructure.redis_config(stack).parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    files.put(infrastructure.redis_config(stack), f"requirepass {secrets.token_urlsafe(24)}\n")
    for app in apps:
        lines = [f"{name}={secrets.token_urlsafe(24)}\n" for name in TOKENS]
        files.put(token_file(stack, app.app_id), "".join(lines))


def token_file(stack: Stack, app_id: str) -> Path:
    """Return the file of an app's tokens, which a shell can read too."""
    return infrastructure.redis_config(stack).parent / f"{app_id}.env"


def tokens(stack: Stack, app_id: str) -> dict[str, str]:
    """Return the tokens that this app and its sidecar show each other. Empty unless the stack is secure."""
    if not stack.secure:
        return {}
    return dict(line.split("=", 1) for line in token_file(stack, app_id).read_text().splitlines())


def header(stack: Stack, app_id: str) -> dict[str, str]:
    """Return the header with which a request is let in where only the app's sidecar may call."""
    return {"dapr-api-token": tokens(stack, app_id)["APP_API_TOKEN"]} if stack.secure else {}


def with_tokens(stack: Stack, app: App) -> App:
    """Return the app with its tokens in its environment."""
    return replace(app, entry=app.entry | {"env": app.entry["env"] | tokens(stack, app.app_id)})


def environment(stack: Stack, runtime: Runtime) -> dict[str, str]:
    """Return an environment in which the Dapr CLI starts sidecars of secure mode.

    The CLI knows only a sentry at localhost:50001, no trust anchors, and one token for all. A wrapper of daprd adds
    what each sidecar needs.
    """
    wrapper = WRAPPER.format(
        secrets=quote(str(infrastructure.redis_config(stack).parent)),
        anchors=quote(str(infrastructure.credentials(stack) / "ca.crt")),
        doors=quote(str(DOORS)),
        sentry=f"127.0.0.1:{stack.ports['sentry']}",
        daprd=quote(str(runtime.binary("daprd"))),
        loopback=loopback.FLAGS,
    )
    return {"DAPR_RUNTIME_PATH": str(loopback.wrapped(stack.state / "secure", runtime, wrapper))}
