"""Write files that other processes may read or execute at the same moment, and know what a folder was made from."""

from __future__ import annotations

import os
from pathlib import Path

# The name of the copy in a folder of the pins that it was made from.
MADE_FROM = "made-from.txt"


def put(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole: no process sees a part of it, or finds it busy. One that is the same is left alone."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.touch(mode=mode)
    new.write_text(text)
    new.replace(path)


def is_made_from(folder: Path, pins: Path) -> bool:
    """Return whether a folder was made from what a file of pins says now: it keeps a copy as MADE_FROM."""
    made_from = folder / MADE_FROM
    return made_from.exists() and made_from.read_bytes() == pins.read_bytes()
