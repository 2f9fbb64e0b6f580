"""Every file by the checker of its kind. What the checker says is the failure."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from labctl import runfile
from labctl.make import setup
from labctl.progress import Steps
from labctl.stack import Stack
from tests.house.repository import ROOT, files, named, services, services_by_lab

# The Kubernetes that the manifests are for, oldest and newest.
KUBERNETES = ("1.34.0", "1.37.0")
# The API server never sees kustomizations and patches.
MANIFESTS = [
    path
    for path in named("*.yaml")
    if "kubernetes" in path.parts and path.name != "kustomization.yaml" and not path.name.endswith(".patch.yaml")
]
WORKFLOWS = [path for path in named("*.yaml", "*.yml") if path.parts[:2] == (".github", "workflows")]


def shell_scripts() -> list[Path]:
    """Return the files that begin like a shell script."""
    start = re.compile(rb"#!\s*/(?:usr/)?bin/(?:env )?(?:ba|da)?sh\b")
    return [path for path in files() if start.match((ROOT / path).read_bytes()[:40])]


def run_blocks() -> list[Any]:
    """Return the shell of each step of each workflow, as pytest parameters."""
    return [
        pytest.param(step["run"], id=f"{path.name}-{job}-{number}")
        for path in WORKFLOWS
        for job, what in yaml.safe_load((ROOT / path).read_text())["jobs"].items()
        for number, step in enumerate(what["steps"], 1)
        if "run" in step
    ]


def check(program: str, *arguments: str | Path, said: str | None = None) -> None:
    """Run a checker of this environment on the repository; `said` is its standard input."""
    path = Path(sys.executable).with_name(program)
    assert path.exists(), f"{program} is not in requirements-dev.txt"
    command = [str(path), *map(str, arguments)]
    result = subprocess.run(command, cwd=ROOT, input=said, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.fail(f"{shlex.join([program, *command[1:]])}\n{result.stdout}{result.stderr}", pytrace=False)


def test_something_of_every_kind_was_found() -> None:
    assert all((MANIFESTS, WORKFLOWS, run_blocks(), shell_scripts(), named("Dockerfile"), named("*.yaml"), services()))


def test_ruff() -> None:
    check("ruff", "check", ".")


def test_ruff_format() -> None:
    check("ruff", "format", "--check", "--diff", ".")


def test_types_of_labctl() -> None:
    check("pyright", "--project", ".", "--pythonpath", sys.executable)


@pytest.fixture(scope="module")
def environments() -> None:
    """Each service's .venv: its types are checked against its dependencies."""
    setup.set_up_environments(runfile.read_apps(Stack()), Steps(Console(file=io.StringIO())))


@pytest.mark.usefixtures("environments")
@pytest.mark.parametrize("folder", services_by_lab())
def test_types_of_a_service(folder: Path) -> None:
    python = ROOT / folder / ".venv" / "bin" / "python"
    assert python.exists(), f"{folder} has no .venv, which is made from its requirements-dev.txt"
    check("pyright", "--project", folder, "--pythonpath", python)


@pytest.mark.parametrize("folder", services_by_lab())
def test_a_services_types_are_checked_strictly(folder: Path) -> None:
    settings = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["tool"]["pyright"]
    assert settings["typeCheckingMode"] == "strict"
    assert not [name for name in settings if name.startswith("report")]
    # Generated and installed files, and no file that a person wrote for the service.
    allowed = re.compile(r"\*\*/\.\*|\*\*/__pycache__|\.venv|[\w*]+_pb2\S*|kit|protos|tests")
    assert [pattern for pattern in settings.get("exclude", []) if not allowed.fullmatch(pattern)] == []


def test_labctls_types_are_checked_strictly() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pyright"]
    assert "labctl" in settings["include"]
    assert settings.get("typeCheckingMode") == "strict" or "labctl" in settings.get("strict", [])


def test_yaml() -> None:
    check("yamllint", "--strict", *named("*.yaml", "*.yml", ".yamllint"))


def test_dockerfiles() -> None:
    check("hadolint", "--no-color", "--failure-threshold", "style", *named("Dockerfile"))


def test_compose() -> None:
    check("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_manifests(version: str) -> None:
    check("kubernetes-validate", "--strict", "--quiet", "--kubernetes-version", version, *MANIFESTS)


def test_workflows() -> None:
    check("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)


def test_dependabot() -> None:
    check("check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml")


def test_workflows_take_no_risk() -> None:
    check("zizmor", "--offline", "--no-progress", "--color", "never", ".github")


@pytest.mark.parametrize("path", shell_scripts(), ids=str)
def test_shell_script(path: Path) -> None:
    check("shellcheck", path)
    assert (ROOT / path).stat().st_mode & 0o111, f"{path} cannot be run: chmod +x"


@pytest.mark.parametrize("script", run_blocks())
def test_shell_of_a_workflow(script: str) -> None:
    check("shellcheck", "--shell", "bash", "-", said=re.sub(r"\$\{\{.*?\}\}", "value", script))
