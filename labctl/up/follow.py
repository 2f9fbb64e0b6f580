"""./lab logs -f: the logs of several apps as one stream, in the order of time and for people to read."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from rich.text import Text

GATHER = 0.3  # seconds; lines of two files that arrive within them are put in order
EARLIER = timedelta(seconds=1)  # lines that arrive later are new
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red")
_PREFIX = re.compile(r"^== APP - [\w.-]+ == ")
# What every line has, or what says nothing to a reader.
_PLUMBING = {"time", "level", "logger", "app_id", "message", "color_message", "trace_id", "taskName", "exception"}
_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')
# Calls that an app's libraries make all the time.
_POLLED = ("GetMetadata", "PutMetadata", "/v1.0/metadata", "/v1.0/healthz", "/TaskHubSidecarService/")


@dataclass(frozen=True)
class Line:
    """One line for the reader."""

    at: datetime
    app_id: str
    level: str
    text: str

    def shown(self, app_ids: list[str]) -> Text:
        """Return it with its time of day, coloured by its app."""
        colour = _COLOURS[app_ids.index(self.app_id) % len(_COLOURS)]
        text = Text(f"{self.at.astimezone():%H:%M:%S} ")
        text.append(f"{self.app_id:<{max(map(len, app_ids))}} ", colour)
        if self.level in ("WARNING", "ERROR", "CRITICAL"):
            text.append(f"{self.level} ", "yellow" if self.level == "WARNING" else "red")
        return text.append(self.text)


def of_app(app_id: str, raw: str, now: datetime) -> Line | None:
    """Return a line of an app: its message, and the fields that it adds. None for an empty one."""
    text = _PREFIX.sub("", raw).rstrip()
    try:
        found: dict[str, Any] = json.loads(text)
        at = datetime.fromisoformat(found["time"]).astimezone()
    except (ValueError, TypeError, KeyError, OverflowError):
        return Line(now, app_id, "", text) if text else None  # a traceback, or what a library prints
    facts = "".join(f" {name}={value}" for name, value in found.items() if name not in _PLUMBING)
    error = str(found.get("exception", "")).strip().rpartition("\n")[2]
    text = f"{found.get('message', '')}{facts}{' ' if error else ''}{error}".lstrip()
    return Line(at, app_id, str(found.get("level", "")), text)


def of_sidecar(app_id: str, raw: str) -> Line | None:
    """Return a line of a sidecar: a call by its app, a retry or an error. None for any other."""
    found = {name: re.sub(r'^"|"$|\\(?=")', "", value) for name, value in _FIELD.findall(raw)}
    message, method = found.get("msg", ""), found.get("method", "")
    try:
        at = datetime.fromisoformat(found["time"][:19]).replace(tzinfo=UTC)
    except (KeyError, ValueError):
        return None  # no line of daprd's own
    if message.endswith("API Called") and not any(path in method for path in _POLLED):
        method = method.rpartition("/")[2] if message.startswith("gRPC") else method
        code = found.get("code", "") if message.startswith("HTTP") else "ok" if found.get("code") == "0" else "failed"
        return Line(at, app_id, "", f"→ {method} {code} {found.get('duration', '?')} ms")
    if found.get("level") in ("error", "fatal") or "processing operation" in message:
        return Line(at, app_id, "WARNING" if found.get("level") != "fatal" else "ERROR", f"sidecar: {message}")
    return None


def follow(logs: Mapping[str, tuple[Path, Path]], lines: int) -> Iterator[Line]:
    """Yield the last lines of the logs of apps and sidecars, by app id, and then new ones without an end."""
    arrived: Queue[Line] = Queue()
    tails = [
        (app_id, is_sidecar, _tail(path, lines))
        for app_id, both in logs.items()
        for is_sidecar, path in enumerate(both)
    ]
    try:
        for app_id, is_sidecar, tail in tails:
            threading.Thread(target=_read, args=(app_id, bool(is_sidecar), tail, arrived), daemon=True).start()
        while True:
            batch, end = [arrived.get()], time.monotonic() + GATHER
            while (left := end - time.monotonic()) > 0:
                try:
                    batch.append(arrived.get(timeout=left))
                except Empty:
                    break
            yield from sorted(batch, key=lambda line: line.at)
    finally:
        for _, _, tail in tails:
            tail.kill()
            tail.wait()


def _tail(path: Path, lines: int) -> subprocess.Popen[str]:
    # Each start has a new log. `tail -F` notices that the link leads elsewhere, and says so on standard error.
    command = ["tail", "-n", str(lines), "-F", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")


def _read(app_id: str, is_sidecar: bool, tail: subprocess.Popen[str], arrived: Queue[Line]) -> None:
    assert tail.stdout is not None
    begin = last = datetime.now(UTC)
    for raw in tail.stdout:
        now = datetime.now(UTC)
        # An old line without a time belongs to the one before it.
        line = of_sidecar(app_id, raw) if is_sidecar else of_app(app_id, raw, last if now - begin < EARLIER else now)
        if line:
            last = line.at
            arrived.put(line)
