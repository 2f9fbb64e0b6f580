"""Find the lines of a log that say why a process ended, and what to do next."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from labctl.stack import ROOT, Stack
from labctl.up import processes

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PREFIX = re.compile(r"^== APP - \S+ == ")
# What the CLI adds to the log of an app or of its sidecar, and to what it prints itself.
ENDED = re.compile(
    r"^(?:\W*)(?:The (?:App|daprd) process exited with error code: (.*)|Exited (?:App|Dapr) successfully)$"
)
_NOT_STARTED = re.compile(r"Error (?:starting|getting) (?:app|daprd|Dapr) .*")
# The end of the process that uvicorn starts with UVICORN_RELOAD. Its parent waits for a change of a file.
WORKER_ENDED = re.compile(r"^Process SpawnProcess-\d+:$|Error loading ASGI app|Application startup failed\. Exiting")
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)')
_NOT_OURS = ("site-packages", "<frozen", "/.venv/", "/lib/python")
_DAPR = re.compile(r'level=(?P<level>\w+) msg="(?P<msg>(?:[^"\\]|\\.)*)"')
# What daprd reports of a file that it then ignores.
_IGNORED = re.compile(r"^(Could not (read|parse|determine)|Failed to (read|init component)|daprd load \w+ error)")
_REDIS = re.compile(r"^\d+:[A-Z] [^*#.-]*[\d.]+ # (?!WARNING)(?P<msg>.*)")
_WORTH = re.compile(
    r"\b(error|fatal|cannot|can't|could not|failed|not found|no such|permission denied)\b", re.IGNORECASE
)
_PORT = re.compile(r"(?:[Pp]ort |:|, )(\d{2,5})\b(?= is not available|: bind|: connect|\): address)")
_YAML = re.compile(r"[\w.-]+\.ya?ml\b")


def read(path: Path, offset: int = 0) -> list[str]:
    """Return the lines of a log from an offset on, without colours and prefixes. A missing log has none."""
    if not path.exists():
        return []
    with path.open("rb") as log:
        log.seek(offset)
        text = log.read().decode(errors="replace")
    return [_PREFIX.sub("", line).rstrip() for line in _COLOUR.sub("", text).splitlines()]


def is_end(row: str, kind: str) -> bool:
    """Return whether a line notes the end of the process whose log it is in (kind "app" or "daprd")."""
    return is_failure(row, kind) or bool(ENDED.search(row))


def is_failure(row: str, kind: str) -> bool:
    """Return whether a line notes an end that nobody asked for."""
    end = ENDED.search(row)
    failed = end is not None and end[1] is not None and end[1] != "signal: terminated"
    return failed or bool(_NOT_STARTED.search(row)) or (kind == "app" and bool(WORKER_ENDED.search(row)))


def lines(rows: Sequence[str]) -> list[str]:
    """Return the lines that have the cause: of Python, Dapr, the CLI or Redis. Without any, return the last lines."""
    kept = [row for row in rows if row.strip() and not ENDED.match(row)]
    said = (
        []
        if killed(rows)
        else _cli(kept) or _panic(kept) or _python(kept) or _dapr(kept) or _redis(kept) or _worth(kept)
    )
    return said or kept[-4:]


def killed(rows: Sequence[str]) -> str:
    """Return the signal that ended the process, as the CLI notes it. Empty if it ended in another way."""
    ends = [match[1] or "" for row in rows if (match := ENDED.match(row))]
    return next((how for how in ends if how.startswith("signal: ")), "")


def ignored(rows: Sequence[str]) -> list[str]:
    """Return what daprd reported of files that it could not load. It runs on without them."""
    said = [_unquoted(match["msg"]) for row in rows if (match := _DAPR.search(row)) and match["level"] != "info"]
    return list(dict.fromkeys(line for line in said if _IGNORED.match(line)))


def advice(said: Sequence[str], stack: Stack) -> str:
    """Return one sentence that says what to do about these lines."""
    text = "\n".join(said)
    ours = (line for line in said if not any(part in line for part in _NOT_OURS))
    if frame := next(filter(None, map(_FRAME.match, ours)), None):
        path = Path(frame["file"])
        where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        return f"Mend {where}, line {frame['line']}, and run this again."
    names = {str(port): label.partition("-")[0] for label, port in stack.ports.items()}
    for port in _PORT.findall(text):
        if "connection refused" in text and port in names:
            return f"{names[port]} does not run: ./lab restart {names[port]}."
        if "connection refused" not in text and (who := processes.holder(int(port))):
            return f"Port {port} is held by {who}. End that process and run this again."
    if "panic: " in text:
        return "That is a fault of Dapr, see docs/dapr-faults.md. Run this again."
    if file := _YAML.search(text):
        found = next(iter(sorted(ROOT.glob(f"co*/**/{file[0]}"))), ROOT / "dapr.yaml")
        return f"Mend {found.relative_to(ROOT)} and run this again."
    if "o such option" in text or "sh: " in text:
        return "Mend its `command` in dapr.yaml and run this again."
    return "Mend that and run this again."


def told(said: Sequence[str], log: Path | None) -> str:
    """Return these lines indented, then the path of the log, ready to print below a sentence."""
    return "".join(f"\n  {line[:400]}" for line in said) + (f"\n  The whole log: {log}" if log else "")


def _cli(rows: Sequence[str]) -> list[str]:
    return [row for row in rows if "❌" in row or _NOT_STARTED.search(row)][-3:]


def _panic(rows: Sequence[str]) -> list[str]:
    start = next((number for number, row in enumerate(rows) if row.startswith(("panic: ", "fatal error: "))), None)
    if start is None:
        return []
    frames = [row.strip() for row in rows[start:] if row.startswith("github.com/dapr/")][:1]
    return [rows[start], *(frame.partition("({")[0].partition("(0x")[0] for frame in frames)]


def _python(rows: Sequence[str]) -> list[str]:
    starts = [number for number, row in enumerate(rows) if "Traceback (most recent call last):" in row]
    if not starts or len(rows) - starts[-1] > 150:  # a longer log has gone on after that traceback
        return []
    block = rows[starts[-1] + 1 :]
    frames = [number for number, row in enumerate(block) if _FRAME.match(row)]
    error = next((number for number, row in enumerate(block) if not row.startswith(" ")), len(block))
    ours = [number for number in frames if number < error and not any(part in block[number] for part in _NOT_OURS)]
    if not frames:
        return [*block[-6:]]
    first = (ours or frames)[-1]
    after = next((number for number in frames if number > first), error)
    return [*block[first : min(after, error, first + 3)], *block[error : error + 6]]


def _dapr(rows: Sequence[str]) -> list[str]:
    found = [(match["level"], _unquoted(match["msg"])) for row in rows if (match := _DAPR.search(row))]
    for level in ("fatal", "error"):
        if said := [text for its_level, text in found if its_level == level]:
            return list(dict.fromkeys(said))[-3:]
    return []


def _redis(rows: Sequence[str]) -> list[str]:
    return [match["msg"] for row in rows if (match := _REDIS.match(row))][-3:]


def _worth(rows: Sequence[str]) -> list[str]:
    return [_message(row) for row in rows[-30:] if _WORTH.search(row) and '"level": "INFO"' not in row][-4:]


def _message(row: str) -> str:
    """Return the message of a JSON line, or the line."""
    if not row.startswith("{"):
        return row
    try:
        entry = json.loads(row)
    except ValueError:
        return row
    return "\n  ".join([str(entry.get("message", row)), *str(entry.get("exception", "")).splitlines()[-3:]])


def _unquoted(text: str) -> str:
    return text.replace('\\"', '"').replace("\\\\", "\\").replace("\\n", " ")
