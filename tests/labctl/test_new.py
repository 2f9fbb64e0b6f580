"""./lab new: what it writes passes its own tests and the house rules, and a wrong name is answered with a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from labctl.make import setup
from labctl.new import service
from labctl.progress import Steps
from labctl.stack import ROOT
from tests.docs import checkout

NAMES = {"hello": "hello_service", "a-name-of-20-letters": "a_name_of_20_letters_service"}
NOT_MINE = {".venv", "kit", "__pycache__", ".ruff_cache", ".pytest_cache"}
RULES = (
    "ports",
    "scopes",
    "manifests",
    "images",
    "file_roles",
    "contracts",
    "reading",
    "locks",
    "lint",
    "kit",
    "kustomize",
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout with two new services."""
    folder = checkout.copy(tmp_path_factory.mktemp("new") / "labs")
    for name in NAMES:
        made = run(folder, "./lab", "new", name)
        assert made.returncode == 0, made.stdout + made.stderr
        assert f"./lab up {name}" in made.stdout
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = checkout.environment(folder)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", NAMES)
def test_a_new_service_passes_its_own_tests(copy: Path, name: str) -> None:
    """Among them that of openapi.json. Its lock is the model's, so the model's environment is the same."""
    python = setup.make_environment(ROOT / "pizza_services/kitchen_service", Steps(Console(quiet=True)))
    tested = run(copy / NAMES[name], str(python), "-m", "pytest", "-q")
    assert tested.returncode == 0, tested.stdout


def test_new_services_pass_the_house_rules(copy: Path) -> None:
    """Those of their own files, and those of the files in which they are listed."""
    files = [f"tests/house/test_{rule}.py" for rule in RULES]
    names = "hello or a_name or a-name or plan or dev_container or seen_by or scopes or stores or list or base"
    chosen = f"({names}) and not uv_makes"
    checked = run(copy, sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-k", chosen, *files)
    assert checked.returncode == 0, checked.stdout
    programs = Path(sys.executable).parent
    for command in ("ruff check", "ruff format --check"):
        linted = run(copy, str(programs / command.split()[0]), *command.split()[1:], *NAMES.values())
        assert linted.returncode == 0, linted.stdout
    yaml = [str(path) for path in (copy / "components").glob("*-*.yaml")]
    assert run(copy, str(programs / "yamllint"), "--strict", *yaml).stdout == ""


def test_each_new_service_has_the_next_ports_and_everything_is_listed(copy: Path) -> None:
    changed = run(copy, "git", "status", "--porcelain").stdout.split("\n")
    listed = {line[3:] for line in changed if line}
    components = {f"components/{name}-{kind}.yaml" for name in NAMES for kind in ("events", "pubsub", "statestore")}
    rows = {"README.md", "dapr.yaml", ".devcontainer/devcontainer.json", "observability/prometheus.yml"}
    lists = {"components/Kustomization", "config/secure/Kustomization", "kubernetes/base/kustomization.yaml"}
    doors = {f"config/secure/{name}.yaml" for name in NAMES}
    assert listed == components | rows | lists | doors | {f"{folder}/" for folder in NAMES.values()}
    run_file = (copy / "dapr.yaml").read_text()
    assert [run_file.count(f"appPort: 80{number}\n") for number in (30, 31)] == [1, 1]


def test_nothing_of_the_template_is_left_in_a_service_of_another_name(copy: Path) -> None:
    folder = copy / NAMES["a-name-of-20-letters"]
    mine = [path for path in folder.rglob("*") if path.is_file() and not NOT_MINE & set(path.parts)]
    words = ("hello-", "hello_", '"hello"', "# hello", "8041", "3541", "pizza", "kitchen", "scheduler-", "8023", "8003")
    texts = {path: path.read_text() for path in mine if not path.match("requirements*.txt")}
    assert [(path.name, word) for path, text in texts.items() for word in words if word in text] == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Hello", "is no name for a service"),
        ("my_shop", "is no name for a service"),
        ("-x", "No such option"),
        ("a--b", "is no name for a service"),
        ("x" * 21, "is no name for a service"),
        ("hello", "is taken"),
        ("pizza", "is taken"),
        ("callee-app", "is taken"),
        ("statestore", "is taken"),
        ("chat", "is taken"),
        ("redis", "is taken"),
        ("secure", "is taken"),
        ("brokers", "is taken"),
        ("no", "is no name for a service"),
    ],
)
def test_a_name_that_cannot_be_used_is_answered_with_a_sentence(copy: Path, name: str, words: str) -> None:
    refused = run(copy, "./lab", "new", name)
    assert refused.returncode in (1, 2)
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_ports_of_new_services_are_in_the_range_that_the_pages_tests_move() -> None:
    from tests.docs.ports import planned

    assert {8000 + number for number in service.NUMBERS} <= planned(0)
