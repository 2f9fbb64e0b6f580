"""Run a program that shows the labs in the foreground, until Ctrl-C."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil

from labctl.progress import Steps
from labctl.stack import ROOT, Stack
from labctl.up import alive, logfiles, processes


@dataclass(frozen=True)
class Program:
    """A program beside the labs. It is no part of their stack, so ./lab down leaves it alone.

    name: of its log file. is_ready: whether it serves.
    """

    name: str
    command: Sequence[str]
    is_ready: Callable[[], bool]
    env: dict[str, str] = field(default_factory=dict[str, str])

    def run(self, stack: Stack, steps: Steps, say: Callable[[], None], patience: float) -> None:
        """Run it until Ctrl-C, and call `say` when it serves. Raise LabError when it does not, or when it ends."""
        stack.make_state()
        stack.logs.mkdir(exist_ok=True)
        log = stack.logs / f"{self.name}.log"
        offset = logfiles.rotate(log)
        with log.open("ab") as output:
            process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=os.environ | self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
            )
        what = self.name.capitalize()
        try:
            with steps.step(self.name, ticked=False):
                processes.wait_until(lambda: process.poll() is not None or self.is_ready(), patience)
            if process.poll() is not None or not self.is_ready():
                raise alive.ended(stack, what, log, offset, how="is not ready")
            say()
            process.wait()
            raise alive.ended(stack, what, log, offset, how="ended unexpectedly")
        except KeyboardInterrupt:
            return
        finally:
            if process.poll() is None:
                processes.end([psutil.Process(process.pid)], grace=5, with_children=False)
