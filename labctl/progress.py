"""Show progress while something takes longer than a blink."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn


class Steps:
    """Progress bars on a terminal; one line at the start and one at the end of each step elsewhere (CI, files)."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        self._bars = Progress(*columns, console=console, transient=True)
        self._lock = threading.Lock()
        self._running = 0

    @contextmanager
    def step(self, what: str, total: int | None = None, *, ticked: bool = True) -> Generator[Callable[..., None]]:
        """Show a step while its block runs. Yield the function that moves its bar on, by one unit or more.

        ticked: print a line when the step has succeeded.
        """
        start = time.monotonic()
        task = self._bars.add_task(what, total=total)
        self._enter(what)

        def advance(units: int = 1) -> None:
            self._bars.advance(task, units)

        try:
            yield advance
            if ticked:
                self.console.print(f"[green]✓[/] {what} [dim]{time.monotonic() - start:.1f} s[/]", highlight=False)
        finally:
            self._bars.remove_task(task)
            self._leave()

    def _enter(self, what: str) -> None:
        with self._lock:
            self._running += 1
            if not self.console.is_terminal:
                self.console.print(f"… {what}", highlight=False)
            elif self._running == 1:
                self._bars.start()

    def _leave(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0 and self.console.is_terminal:
                self._bars.stop()
