"""Sends the requests of a .http file by httpyac (locked in httpyac/), which checks the assertions about the answers."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.stack import ROOT
from tests import npm
from tests.docs.ports import to_stack

_HTTPYAC = ROOT / "tests" / "docs" / "httpyac"
_REQUEST = re.compile(r"^(?:GET|PUT|POST|PATCH|DELETE) +(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Sent:
    """One request of the file, and what became of it."""

    title: str
    method: str
    url: str
    assertions: int
    failures: list[str]


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
    program = npm.install(_HTTPYAC) / "httpyac" / "bin" / "httpyac.js"
    command = [npm.NODE, program, "send", copy.name, "--all", "--json"]
    report = folder / "report.json"
    # To a file: of what goes to a pipe Node drops all beyond 64 KB when it exits.
    with report.open("w") as out:
        run = subprocess.run(command, cwd=folder, env=npm.ENVIRONMENT, stdout=out, stderr=subprocess.PIPE, check=False)
    # 0: all passed; 20: an assertion failed; 10: a request did.
    assert run.returncode in (0, 10, 20), report.read_text() + run.stderr.decode()
    return [_sent(one) for one in json.loads(report.read_text())["requests"]]


def _sent(one: dict[str, Any]) -> Sent:
    request = one["response"]["request"] if "response" in one else {"method": "", "url": ""}
    failures = [str(result) for result in one["testResults"] if result["status"] != "SUCCESS"]
    return Sent(one["title"], request["method"], request["url"], one["summary"]["totalTests"], failures)
