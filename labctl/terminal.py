"""The terminal: where labctl prints, and how it reports what went wrong."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console
from rich.table import Table

from labctl import signals
from labctl.errors import LabError

console = Console(highlight=False)
problems = Console(stderr=True, highlight=False)
_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))


def run(command: Callable[[], object]) -> None:
    """Run a command. Print an error as one sentence and exit with code 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no `✓` shows a `?`
    signals.end_as_by_ctrl_c()
    try:
        command()
    except LabError as error:
        _refuse(str(error))
    except PermissionError as error:
        what = error.filename or "A process or a port"
        _refuse(f"{what} cannot be used: {error.strerror}. Who it belongs to, and the mend: ./lab doctor")
    except OSError as error:
        # In the text, because the error of a copied folder has no number. It lists the errors of its files.
        full = next((reason for reason in _FULL if reason in str(error)), None)
        if full is None:
            raise
        _refuse(f"The disk is full: {full}. Make room and run this again.")


def _refuse(why: str) -> NoReturn:
    problems.print(f"[bold red]lab:[/] {plain(why)}", soft_wrap=True)
    sys.exit(1)


def plain(text: str) -> str:
    """Return the text so that Rich prints its brackets as they are."""
    return text.replace("[", r"\[")


def chapter(console: Console, title: str, text: str) -> None:
    """Print the title of the next chapter of a demo, and what is done in it."""
    console.print(f"\n[bold cyan]{title}[/]\n[dim]{text}[/]")


def print_whole(console: Console, table: Table) -> None:
    """Print a table as wide as its content. On 80 columns a URL would lose its port, and a figure its digits."""
    wide = Console(
        file=console.file, force_terminal=console.is_terminal, width=max(console.width, 200), highlight=False
    )
    wide.print(table)
