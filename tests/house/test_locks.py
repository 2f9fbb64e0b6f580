"""Every lock: pinned, hashed, what uv makes of its project, and one Dapr SDK that fits together."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from labctl.make.uv import uv
from tests.house.repository import ROOT, named, services, text

PROJECTS = named("pyproject.toml")
LOCKS = named("requirements*.txt")
# dapr 1.19 took the extensions into itself: beside a dapr-ext-* 1.18 each overwrites files of the other.
DAPR = re.compile(r"dapr(-ext-.+)?")
DAPR_BELOW = Version("1.19")
# How every lock is made: for all systems and Pythons at once, and without the name of an index.
COMPILE = set(shlex.split("uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url"))


def pins(lock: Path) -> dict[str, Version]:
    """Package and version of each entry of a lock."""
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text(lock), re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in found}


def entries(lock: str) -> list[str]:
    """Return a lock's logical lines: backslashes joined, comments and blanks dropped."""
    joined = lock.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def requirements(lock: str) -> list[str]:
    """Return a lock's entries without their hashes."""
    return [line.split(" --hash=")[0].strip() for line in entries(lock)]


def made_by(lock: Path) -> list[str]:
    """Return the command that made a lock, as its head says."""
    return shlex.split(text(lock).splitlines()[1].removeprefix("#"))


def declared(project: Path) -> dict[str, list[Requirement]]:
    """Return the requirements of a pyproject.toml, by the lock that has to hold them."""
    document = tomllib.loads(text(project))["project"]
    runtime = [Requirement(one) for one in document.get("dependencies", [])]
    extras = document.get("optional-dependencies", {})
    return {
        "requirements.txt": runtime,
        "requirements-dev.txt": runtime + [Requirement(one) for extra in extras.values() for one in extra],
    }


@pytest.mark.parametrize("lock", LOCKS, ids=str)
def test_every_line_of_a_lock_is_pinned_and_hashed(lock: Path) -> None:
    pinned = re.compile(r"[A-Za-z0-9._-]+(\[[^\]]+\])?==\S+( ;[^;]+?)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert entries(text(lock))
    assert [line[:80] for line in entries(text(lock)) if not pinned.fullmatch(line)] == []


@pytest.mark.parametrize("project", PROJECTS, ids=str)
def test_a_lock_holds_what_its_project_asks_for(project: Path) -> None:
    beside = {lock.name: pins(lock) for lock in LOCKS if lock.parent == project.parent}
    assert beside, f"{project} has no lock"
    for name, locked in beside.items():
        for one in declared(project)[name]:
            version = locked.get(canonicalize_name(one.name))
            assert version is not None, f"{one} is not in {name}"
            assert one.specifier.contains(version, prereleases=True), f"{name} has {one.name} {version}, not {one}"


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock.name == "requirements.txt"], ids=str)
def test_the_development_lock_is_the_runtime_lock_and_more(lock: Path) -> None:
    runtime, development = pins(lock), pins(lock.with_name("requirements-dev.txt"))
    differing = {name: version for name, version in runtime.items() if development.get(name) != version}
    assert differing == {}


def test_every_lock_has_the_same_dapr_below_1_19() -> None:
    found = {
        f"{lock} {name}": version for lock in LOCKS for name, version in pins(lock).items() if DAPR.fullmatch(name)
    }
    assert found
    assert {where: str(version) for where, version in found.items() if version >= DAPR_BELOW} == {}
    assert len(set(found.values())) == 1, found


@pytest.mark.parametrize("project", PROJECTS, ids=str)
def test_a_project_leaves_its_environment_to_its_locks(project: Path) -> None:
    document = tomllib.loads(text(project))
    assert document["project"]["requires-python"] == ">=3.11"
    assert document["tool"]["uv"] == {"package": False, "managed": False}


def test_locks_are_made_as_contributing_says() -> None:
    told = re.findall(r"^\s*(uv pip compile .*)$", text(Path("CONTRIBUTING.md")), re.MULTILINE)
    assert told
    for lock in LOCKS:
        assert set(made_by(lock)) >= COMPILE, lock
        if lock.parent in (Path(), *services()):
            assert set(made_by(lock)) in [set(shlex.split(one)) for one in told], lock


@pytest.mark.parametrize("lock", LOCKS, ids=str)
def test_a_lock_is_what_uv_makes_of_its_project(lock: Path, tmp_path: Path) -> None:
    """A project may add a wheel to a release, and with it a hash, so hashes are not compared."""
    for path in (*PROJECTS, *LOCKS):
        (tmp_path / path.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    command = made_by(lock)
    # A command with a path in it was given in the root.
    folder = tmp_path if "/" in command[-1] else tmp_path / lock.parent
    made = subprocess.run([str(uv()), *command[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert requirements((tmp_path / lock).read_text()) == requirements(text(lock))


def test_ci_installs_the_dapr_that_is_pinned_here() -> None:
    workflow = text(Path(".github/workflows/ci.yaml"))
    for variable, module, mod in (
        ("DAPR_RUNTIME_VERSION", "github.com/dapr/dapr", "runtime/go.mod"),
        ("DAPR_CLI_VERSION", "github.com/dapr/cli", "runtime/cli/go.mod"),
    ):
        (pinned,) = set(re.findall(rf"{module} v(\S+)", text(Path(mod))))
        assert re.findall(rf"{variable}: (\S+)", workflow) == [pinned]
