"""What every story does alike."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live


def chapter(console: Console, title: str, text: str) -> None:
    """Says what comes next, and what is done for it."""
    console.print(f"\n[bold cyan]{title}[/]\n[dim]{text}[/]")


@contextmanager
def live(console: Console, first: RenderableType) -> Generator[Live]:
    """What changes in place; off a terminal only its last form is there, with its line closed."""
    with Live(first, console=console, refresh_per_second=10) as shown:
        yield shown
    if not console.is_terminal:
        console.print()  # off a terminal, Live leaves its last line open
