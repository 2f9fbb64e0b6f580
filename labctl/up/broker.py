"""What the programs have in common on which `./lab up --components` runs the labs in place of Redis."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from labctl.errors import LabError
from labctl.progress import Steps
from labctl.stack import BROKER_PORTS, Stack

# Debian keeps the programs of the first two off PATH.
_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/homebrew/sbin")


class Broker(ABC):
    """A program that the components of a variant need. Each keeps its data in a folder of the stack.

    programs, package: its programs on this machine, and the package that has them.
    hello: the first bytes of a client, which any server of this kind answers.
    """

    name: ClassVar[str]
    programs: ClassVar[tuple[str, ...]] = ()
    package: ClassVar[str] = ""
    hello: ClassVar[bytes]

    @abstractmethod
    def command(self, stack: Stack, data: Path) -> list[str]:
        """Return its command line. Make its data first, unless it is there. Raise LabError."""

    @abstractmethod
    def welcomes(self, answer: bytes) -> bool:
        """Return whether these are the first bytes of a server's answer."""

    def ensure(self, steps: Steps) -> None:
        """Find its programs, or download them. Raise LabError with what to install."""
        self.find()

    def find(self) -> None:
        """Find its programs. Raise LabError with what to install."""
        for program in self.programs:
            self.program(program)

    def missing(self) -> str:
        """Return a sentence about the program that is missing here. Empty if it can be started."""
        try:
            self.find()
        except LabError as error:
            return str(error)
        return ""

    def environment(self, stack: Stack, data: Path) -> dict[str, str]:
        """Return the environment of its process."""
        return {}

    def refuses(self, port: int) -> str:
        """Return why the server on this port, which is the user's, cannot serve the components. Empty if it can."""
        return ""

    def program(self, name: str) -> str:
        """Return the path of one of its programs. Raise LabError with what to install."""
        # The newest version first.
        folders = [str(folder) for pattern in _FOLDERS for folder in sorted(Path("/").glob(pattern[1:]), reverse=True)]
        if path := shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")])):
            return path
        port = BROKER_PORTS[self.name][self.name]
        mend = f"Install it (`sudo apt install {self.package}`, `brew install {self.package}`)"
        raise LabError(f"There is no {name}. {mend}, or run a {self.name} of your own on port {port}: docs/brokers.md.")


def prepare(name: str, command: list[str], text: str = "") -> None:
    """Run a command that makes the data of a broker. Raise LabError with what it said."""
    done = subprocess.run(command, input=text, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise LabError(f"{name} could not make its data: {' '.join(said[-2:])[:400]}")
