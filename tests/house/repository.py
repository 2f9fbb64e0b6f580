"""What this repository holds: its files, the apps of dapr.yaml, the service folders behind them, the port plan."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PORT_KEYS = ("appPort", "daprHTTPPort", "daprGRPCPort", "daprInternalGRPCPort", "metricsPort")


@cache
def files() -> tuple[Path, ...]:
    """Return every file that git tracks or would track, relative to the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = sorted({Path(name) for name in listed.split("\0") if name})
    return tuple(path for path in paths if (ROOT / path).is_file())


def named(*patterns: str) -> list[Path]:
    """Return the files whose path matches one of the glob patterns."""
    return [path for path in files() if any(path.match(pattern) for pattern in patterns)]


@cache
def text(path: Path) -> str:
    """Return a file's text; bytes that are no UTF-8 are replaced."""
    return (ROOT / path).read_text(errors="replace")


def below(folder: Path) -> list[Path]:
    """Return the files of a folder."""
    return [path for path in files() if path.is_relative_to(folder)]


@cache
def apps() -> tuple[dict[str, Any], ...]:
    """Return the apps of dapr.yaml, as they stand there."""
    return tuple(yaml.safe_load((ROOT / "dapr.yaml").read_text())["apps"])


def services() -> list[Path]:
    """Return the service folders, each once, relative to the root, by their entries in dapr.yaml."""
    return list(dict.fromkeys(Path(app["appDirPath"]) for app in apps()))


def services_by_lab() -> list[Any]:
    """Return the service folders as parameters of tests, each marked with its lab."""
    labs = {Path(app["appDirPath"]): app["env"]["LAB"] for app in apps()}
    return [pytest.param(folder, id=str(folder), marks=pytest.mark.lab(lab)) for folder, lab in labs.items()]


@dataclass(frozen=True)
class Planned:
    """One row of the port plan in README.md."""

    folder: str
    app_id: str
    lab: str
    app_port: int
    http_port: int


NO_APP = "\N{EN DASH}"  # in the cells of the console


def plan() -> list[Planned]:
    """Return the apps of README.md's port table, so not the console. Raise AssertionError if there is no table."""
    rows = table((ROOT / "README.md").read_text(), ("folder", "app id", "lab", "app port", "Dapr HTTP port"))
    assert rows, "README.md has no table with the columns: folder | app id | lab | app port | Dapr HTTP port"
    return [
        Planned(folder, app_id, lab, int(app), int(http)) for folder, app_id, lab, app, http in rows if app_id != NO_APP
    ]


def table(markdown: str, columns: tuple[str, ...]) -> list[list[str]]:
    """Return the cells of those columns, row by row, of the first Markdown table that has them, as plain text."""
    wanted: list[int] | None = None
    rows: list[list[str]] = []
    for line in markdown.splitlines():
        cells = [_plain(cell) for cell in line.strip().strip("|").split("|")] if line.lstrip().startswith("|") else []
        if wanted is None:
            if set(columns) <= set(cells):
                wanted = [cells.index(column) for column in columns]
        elif not cells:
            break
        elif not re.fullmatch(r":?-+:?", cells[0]):
            rows.append([cells[index] for index in wanted])
    return rows


def _plain(cell: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cell).replace("`", "").replace("**", "").strip()


def manifests(folder: Path) -> list[dict[str, Any]]:
    """Return every document of a service's kubernetes/ folder."""
    texts = [(ROOT / path).read_text() for path in below(folder / "kubernetes") if path.suffix == ".yaml"]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def seconds(text: str) -> float:
    """Return a Dapr duration in seconds."""
    number, unit = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def setting(service: str, expression: str) -> float:
    """Return the value of an expression in which `s` has the defaults of a service's settings."""
    code = f"import settings; s = settings.Settings(_env_file=None); print({expression})"
    command = [ROOT / service / ".venv/bin/python", "-c", code]
    run = subprocess.run(command, cwd=ROOT / service, env={}, capture_output=True, text=True, check=True)
    return float(run.stdout)
