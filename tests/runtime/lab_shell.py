"""A shell at the prompt of a stack: runs ./lab as a user would, in its own processes."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from labctl import runfile
from labctl.stack import HOME, ROOT, Stack
from labctl.up import processes
from labctl.up.processes import wait_until

LAB = str(ROOT / "lab")


@dataclass(frozen=True)
class Foreground:
    """A running ./lab, and its output."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]

    def text(self) -> str:
        return Path(self.output.name).read_text()

    def wait_for(self, words: str, timeout: float) -> bool:
        wait_until(lambda: words in self.text() or self.process.poll() is not None, timeout)
        return words in self.text()


@dataclass(frozen=True)
class LabShell:
    """Runs the ./lab of a checkout against one stack."""

    stack: Stack
    root: Path = ROOT

    def environment(self, env: dict[str, str] | None = None) -> dict[str, str]:
        names = {"LAB_STACK_NAME": self.stack.name, "LAB_PORT_OFFSET": str(self.stack.offset), "COLUMNS": "200"}
        # A stack is known by the path of its folder, so a copy of this checkout has the same one.
        return os.environ | names | {"LAB_HOME": str(HOME)} | (env or {})

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(self.root / "lab"), *arguments]
        return subprocess.run(
            command, env=self.environment(env), capture_output=True, text=True, timeout=240, check=False
        )

    @contextmanager
    def foreground(self, *arguments: str) -> Iterator[Foreground]:
        with tempfile.NamedTemporaryFile() as output:
            process = subprocess.Popen(
                [str(self.root / "lab"), *arguments],
                env=self.environment(),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                yield Foreground(process, output)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait(10)

    def assert_nothing_left(self) -> None:
        assert [(one.kind, one.name, one.pid) for one in processes.find(self.stack)] == []
        ports = [port for app in runfile.read_apps(self.stack) for port in app.ports.values()]
        assert [port for port in [*ports, *self.stack.ports.values()] if processes.holder(port)] == []
