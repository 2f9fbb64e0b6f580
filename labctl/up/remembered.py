"""How a stack was started, and which of its parts were stopped on purpose: files in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from labctl import files
from labctl.errors import LabError
from labctl.make import runtime as dapr
from labctl.stack import Stack


@dataclass
class Run:
    """The options of `up`, kept in the stack's folder so that a later `restart` uses them too."""

    secure: bool = False
    resources: list[str] = field(default_factory=list[str])
    env: dict[str, str] = field(default_factory=dict[str, str])
    own_runtime: bool = False
    own: bool = False
    components: str = ""
    console: bool = False  # an open `./lab up` restarts it too


def write(stack: Stack, run: Run) -> None:
    files.put(stack.state / "up.json", json.dumps(run.__dict__))


def read(stack: Stack) -> Run:
    path = stack.state / "up.json"
    return Run(**json.loads(path.read_text())) if path.exists() else Run()


def present(stack: Stack) -> Stack:
    """Return the stack as it was started: secure or not, beside a `dapr init` or on it, and on which brokers."""
    run = read(stack)
    return replace(stack, secure=run.secure, own=run.own, components=run.components)


def find_runtime(stack: Stack) -> dapr.Runtime:
    """Return the runtime that this stack uses. Raise LabError when there is none yet."""
    run = read(stack)
    own = run.own_runtime or stack.offset != 0
    runtime = dapr.pinned() if own else dapr.users_own() or dapr.pinned()
    if runtime is None:
        raise LabError("There is no Dapr runtime yet: run ./lab setup.")
    return runtime


def intent(stack: Stack, name: str) -> Path:
    """Return the file that marks a part as stopped on purpose ("down": the whole stack). It is not restarted then."""
    return stack.state / "intents" / name


def note(mark: Path, what: str) -> None:
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(what)
