"""What every story does alike."""

from __future__ import annotations

from rich.console import Console


def chapter(console: Console, title: str, text: str) -> None:
    """Says what comes next, and what is done for it."""
    console.print(f"\n[bold cyan]{title}[/]\n[dim]{text}[/]")
