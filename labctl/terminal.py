"""The terminal: where labctl prints, and how it reports what went wrong."""

from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console
from rich.table import Table

from labctl.errors import LabError

console = Console(highlight=False)
problems = Console(stderr=True, highlight=False)


def run(command: Callable[[], object]) -> None:
    """Run a command. Print an error as one sentence and exit with code 1."""
    try:
        command()
    except LabError as error:
        _refuse(str(error))
    except OSError as error:
        if not (full := _full_disk(error)):
            raise
        _refuse(f"The disk is full: {full}. Make room and run this again.")


def _refuse(why: str) -> NoReturn:
    problems.print(f"[bold red]lab:[/] {plain(why)}", soft_wrap=True)
    sys.exit(1)


def _full_disk(error: OSError) -> str:
    """Return the system's message when no space is left, and an empty text for any other error."""
    # The error of a copied folder lists its failures: source, target and message of each.
    words = [str(reason) for *_, reason in error.args[0]] if isinstance(error, shutil.Error) else [str(error)]
    for number in (errno.ENOSPC, errno.EDQUOT):
        for one in words:
            if one.startswith(f"[Errno {number}] "):
                return one.partition("] ")[2]
    return ""


def plain(text: str) -> str:
    """Return the text so that Rich prints its brackets as they are."""
    return text.replace("[", r"\[")


def print_whole(console: Console, table: Table) -> None:
    """Print a table as wide as its content. On 80 columns a URL would lose its port, and a figure its digits."""
    wide = Console(
        file=console.file, force_terminal=console.is_terminal, width=max(console.width, 200), highlight=False
    )
    wide.print(table)
