"""The last lines of the logs of an app and its sidecar, without the secrets of the stack."""

from __future__ import annotations

import asyncio
from pathlib import Path

from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import infrastructure, logfiles, secure

LINES, BYTES = 100, 60_000
HIDDEN = "…"


async def tail(stack: Stack, app: App, kind: str) -> str:
    """Return the last lines of the log of an app (kind "app") or its sidecar ("daprd"). Empty without a log."""
    return await asyncio.to_thread(_tail, stack, app, kind)


def _tail(stack: Stack, app: App, kind: str) -> str:
    log = logfiles.linked(stack, app, kind)
    file = log if log.exists() else logfiles.file(stack, app, kind)
    return hide(last_lines(file), secrets(stack, app)) if file else ""


def last_lines(file: Path) -> str:
    """Return the last LINES lines of a file, at most BYTES of them."""
    with file.open("rb") as opened:
        size = opened.seek(0, 2)
        opened.seek(max(0, size - BYTES))
        text = opened.read().decode(errors="replace")
    whole = text if size <= BYTES else text.partition("\n")[2]
    return "\n".join(whole.splitlines()[-LINES:])


def secrets(stack: Stack, app: App) -> list[str]:
    """Return the tokens of an app and the password of Redis. None unless the stack is secure."""
    if not stack.secure:
        return []
    return [*secure.tokens(stack, app.app_id).values(), infrastructure.redis_config(stack).read_text().split()[1]]


def hide(text: str, values: list[str]) -> str:
    """Return a text without these values."""
    for value in values:
        text = text.replace(value, HIDDEN)
    return text
