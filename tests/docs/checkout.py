"""A copy of this checkout, in which a page's commands may change files as its reader would."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from labctl import runfile
from labctl.stack import HOME, ROOT, Stack
from tests.docs.ports import STACK
from tests.house.repository import files

_AS_SOMEBODY = ["-c", "user.name=reader", "-c", "user.email=reader@localhost", "-c", "commit.gpgsign=false"]

# Variables of the tests, and the model that their user may have chosen, with its key.
_NOT_A_READERS = ("LAB_", "PYTEST", "PYTHONPATH", "MODEL_", "GEMINI_API_KEY", "OPENAI_API_KEY")


def copy(folder: Path) -> Path:
    """Copy the files that git tracks or would track, link runtime and environments, and return the folder."""
    for path in files():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target)
    (folder / ".lab").symlink_to(HOME)
    for original in (ROOT / "console", *(app.folder for app in runfile.read_apps(STACK))):
        environment = folder / original.relative_to(ROOT) / ".venv"
        if not environment.exists():
            environment.symlink_to(original / ".venv")
    # A repository, as a reader's is: a page may say `git stash`.
    for command in (["init", "--quiet"], ["add", "--all"], [*_AS_SOMEBODY, "commit", "--quiet", "--message", "clone"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    (folder / ".git" / ".curlrc").write_text("no-progress-meter\n")
    return folder


def environment(folder: Path, stack: Stack = STACK) -> dict[str, str]:
    """Return a reader's environment, and the stack for ./lab; `folder` is the copy."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_A_READERS)}
    # LAB_HOME, because a stack is known by the path of its state folder, which is not to lead through a link.
    chosen = {"LAB_HOME": str(HOME), "LAB_STACK_NAME": stack.name, "LAB_PORT_OFFSET": str(stack.offset)}
    # curl draws its progress only where its output is no terminal, so no reader sees it.
    terminal = {"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb", "CURL_HOME": str(folder / ".git")}
    # The pages show what the offline engine says; one that has another engine says so in its commands.
    return own | chosen | terminal | {"MODEL_ENGINE": "offline"}
