"""The parts that every story uses."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live


def chapter(console: Console, title: str, text: str) -> None:
    """Print the title of the next chapter, and what is done in it."""
    console.print(f"\n[bold cyan]{title}[/]\n[dim]{text}[/]")


@contextmanager
def live(console: Console, first: RenderableType) -> Generator[Live]:
    """Show something that changes in place. Off a terminal only its last form is printed."""
    with Live(first, console=console, refresh_per_second=10) as shown:
        yield shown
    if not console.is_terminal:
        console.print()  # off a terminal, Live leaves its last line open
