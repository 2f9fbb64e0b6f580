"""The private stack of a command: ./lab bench, ./lab chaos."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager

import typer

from labctl.errors import LabError
from labctl.make import setup
from labctl.stack import TEST_OFFSET, Stack
from labctl.terminal import console
from labctl.up import lifecycle


@contextmanager
def private_stack(command: str, components: str = "") -> Generator[Stack]:
    """Yield an empty stack named after a command, locked against a second one. Stop everything in it at the end.

    LAB_PORT_OFFSET moves it to other ports than the plan's plus 10000. Ctrl-C and SIGTERM end the command with 130.
    Raise LabError for the offset of ./lab up, and while another process holds the stack.
    """
    offset = os.environ.get("LAB_PORT_OFFSET", str(TEST_OFFSET))
    if not offset.isdigit() or int(offset) == 0:
        raise LabError(f"LAB_PORT_OFFSET is {offset!r}. ./lab {command} needs one above 0, because ./lab up uses 0.")
    stack = Stack(command, int(offset), components=components)
    with setup.held_alone(
        setup.checkout_lock(stack.state.name), f"Another ./lab {command} runs just now. Wait for it."
    ):
        try:
            # Leftovers of a killed run: nothing else uses this stack.
            lifecycle.down(stack)
            shutil.rmtree(stack.state, ignore_errors=True)
            yield stack
        except KeyboardInterrupt:
            console.print("\nStopping …")
            raise typer.Exit(130) from None
        finally:
            with console.status("stopping all that was started"):
                lifecycle.down(stack)
