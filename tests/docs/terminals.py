"""The reader's two terminals: one in which the lab runs, one in which the rest is typed."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from labctl.up.processes import wait_until

WITHIN = 240  # seconds for one block; the longest waits of a page are some 20, seldom two minutes more (page 4)


class Terminal:
    """A bash in its own session, into which block after block is typed: variables and folder last."""

    def __init__(self, folder: Path, environment: Mapping[str, str], scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._scratch = scratch
        self._said = (scratch / "terminal.txt").open("w+b")
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder, env=dict(environment), start_new_session=True,
            stdin=subprocess.PIPE, stdout=self._said, stderr=subprocess.STDOUT,
        )  # fmt: skip
        # The first command of a block that fails counts, wherever in the block it stands.
        self._write("trap 'failed=${failed:-$?}' ERR\n")

    def type(self, command: str) -> tuple[str, int]:
        """Type a block; return its output and the exit status of its first command that failed, else 0."""
        end = secrets.token_hex(8)
        file = self._scratch / "typed.sh"
        file.write_text(command)
        begin = self._said.seek(0, os.SEEK_END)
        self._write(f"failed=; . '{file}' </dev/null; printf '\\n%s %s\\n' {end} \"${{failed:-0}}\"\n")
        if not wait_until(lambda: self._has_ended(begin, end), WITHIN, interval=0.02):
            raise TimeoutError(f"not done after {WITHIN} s:\n{command}\n{self._since(begin)}")
        said, _, status = self._since(begin).partition(f"\n{end} ")
        return said, int(status.split()[0])

    def _has_ended(self, begin: int, end: str) -> bool:
        said = self._since(begin)
        if self._bash.poll() is not None:
            raise ChildProcessError(f"the shell itself ended:\n{said}")
        return f"{end} " in said and said.endswith("\n")

    def _since(self, begin: int) -> str:
        return Path(self._said.name).read_bytes()[begin:].decode(errors="replace")

    def _write(self, text: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(text.encode())
        self._bash.stdin.flush()

    def close(self) -> None:
        """End the shell and its background jobs."""
        _kill_group(self._bash)
        self._said.close()


class FirstTerminal:
    """A command that goes on running, as `./lab up` does in a reader's first terminal."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str], scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._said = (scratch / f"terminal-1-{time.monotonic_ns()}.txt").open("w+b")
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec env {command}"],
            cwd=folder, env=dict(environment), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=self._said, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._read = 0

    def said(self) -> str:
        """Return the output since the last call."""
        text = Path(self._said.name).read_bytes()[self._read :]
        self._read += len(text)
        return text.decode(errors="replace")

    def wait_for(self, words: str) -> str:
        """Return the output up to the line with those words. Raise AssertionError if the command ends before."""
        text = ""

        def came() -> bool:
            nonlocal text
            text += self.said()
            return (words in text and text.endswith("\n")) or self._process.poll() is not None

        wait_until(came, WITHIN, interval=0.05)
        assert words in text, f"it never said {words!r}:\n{text}"
        return text

    def press_ctrl_c(self) -> str:
        """Return the output between a Ctrl-C and the end. Before it, `./lab up` prints each kill and restart."""
        before = self.said()
        assert self._process.poll() is None, f"it had ended before:\n{before}"
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(60)
        return self.said()

    def is_running(self) -> bool:
        """Return whether it is running."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it, in any state."""
        _kill_group(self._process)
        self._said.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):  # it and all it started may have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    if process.stdin:
        process.stdin.close()
