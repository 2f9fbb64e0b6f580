"""Write files that other processes may read or execute at the same moment."""

from __future__ import annotations

import os
from pathlib import Path


def put(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole: no process sees a part of it, or finds it busy. One that is the same is left alone."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.touch(mode=mode)
    new.write_text(text)
    new.replace(path)
