"""Serve the console until SIGTERM or Ctrl-C: `python -m console` in the root folder, or `./lab console`."""

from __future__ import annotations

import argparse

from console.app import serve
from labctl.runfile import CONSOLE
from labctl.stack import Stack
from labctl.up import remembered

if __name__ == "__main__":
    stack = remembered.present(Stack.from_environment())
    parser = argparse.ArgumentParser(prog="console", description=__doc__)
    parser.add_argument("--port", type=int, default=CONSOLE + stack.offset)
    serve(stack, parser.parse_args().port)
