"""./lab new NAME: a small service in the form of CONTRIBUTING.md, which runs at once.

Its own files are those in template/, with another name and port. Everything that all services have alike, such as the
Dockerfile, the manifests and the locks, is taken from an existing service. So both are checked like all other files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from labctl import runfile, vendor
from labctl.errors import LabError
from labctl.runfile import App
from labctl.stack import ROOT, Stack
from labctl.up import infrastructure, web_console

TEMPLATE = Path(__file__).parent / "template"
# The kitchen has a workflow, and no package that a new service does not need. The scheduler waits for jobs and events.
COPIED = {
    "pizza-kitchen": ("pyproject.toml", "requirements.txt", "requirements-dev.txt", "Dockerfile", ".dockerignore"),
    "scheduler-test-py": tuple(
        f"kubernetes/{name}.yaml" for name in ("deployment", "kustomization", "scaling", "service")
    ),
}
NAME, DESCRIPTION = "hello", "Greets through callee-app, at once or later"
NUMBER, NUMBERS = "41", range(30, 42)  # of the ports 80nn, 35nn, 45nn, 55nn and 65nn
LONGEST = 20
# What commands know by its name beside the apps: `./lab kill redis`, the mark of `./lab down`, `./lab test secure`,
# and config/secure/default.yaml.
RESERVED = {*infrastructure.EVERY, web_console.NAME, "down", "default", "secure", "images", "brokers", "kubernetes"}


def make(name: str) -> Iterator[Path]:
    """Write a service and yield each path, relative to the root. Raise LabError for a name that cannot be used."""
    apps = runfile.read_apps(Stack())
    _refuse_name(name, apps)
    folder = ROOT / folder_of(name)
    number = _free_number(apps)
    for target, text in _files(name, number, folder, apps).items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        yield target.relative_to(ROOT)
    for path, text in _rows(name, number, folder).items():
        path.write_text(text)
        yield path.relative_to(ROOT)
    vendor.vendor(ROOT, folder)
    yield (folder / vendor.KIT).relative_to(ROOT)


def folder_of(name: str) -> Path:
    """Return the folder of a service, relative to the root."""
    return Path(f"{name.replace('-', '_')}_service")


def _refuse_name(name: str, apps: list[App]) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > LONGEST or yaml.safe_load(name) != name:
        raise LabError(
            f"{name!r} is no name for a service. Take at most {LONGEST} letters a-z and digits, with a letter first "
            "and single hyphens between words, such as my-shop, and no value of YAML, such as no or null."
        )
    components = {path.stem for path in (ROOT / "components").glob("*.yaml")}
    taken = {*RESERVED, *runfile.labs(apps), *(app.app_id for app in apps), *components}
    if name in taken or (ROOT / folder_of(name)).exists():
        raise LabError(
            f"The name {name!r} is taken by a lab, an app, a component, a folder or ./lab. Choose another one."
        )


def _free_number(apps: list[App]) -> int:
    taken = {app.app_port - 8000 for app in apps}
    for number in NUMBERS:
        if number not in taken:
            return number
    raise LabError(f"The ports 80{NUMBERS[0]} to 80{NUMBERS[-1]} are taken: remove a service, or write one by hand.")


def _files(name: str, number: int, folder: Path, apps: list[App]) -> dict[Path, str]:
    """Return the text of each new file."""
    found: dict[Path, str] = {}
    for source in sorted(path for path in TEMPLATE.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        below = source.relative_to(TEMPLATE)
        top, rest = below.parts[0], Path(*below.parts[1:])
        target = folder / rest if top == f"{NAME}_service" else ROOT / top / _named(str(rest), name, number)
        found[target] = _named(source.read_text(), name, number)
    for app_id, paths in COPIED.items():
        model = runfile.find(apps, app_id)
        container = model.folder.name.partition("_")[0]
        for path in paths:
            text = (model.folder / path).read_text().replace(str(model.app_port), f"80{number}")
            for old in (app_id, model.folder.name.replace("_", "-")):
                text = text.replace(old, name)
            text = text.replace(f"name: {container}\n", f"name: {name}\n")
            found[folder / path] = re.sub(r'(?m)^description = ".*"$', f'description = "{DESCRIPTION}"', text)
    return found


def _named(text: str, name: str, number: int) -> str:
    text = re.sub(rf"\b(80|35){NUMBER}\b", rf"\g<1>{number}", text)
    return re.sub(rf"\b{NAME}(?=\b|-|_)", name, text)


def _rows(name: str, number: int, folder: Path) -> dict[Path, str]:
    """Return the shared files that list all apps, with the new one in them."""
    run_file, readme, container = runfile.RUN_FILE, ROOT / "README.md", ROOT / ".devcontainer" / "devcontainer.json"
    prometheus = ROOT / "observability" / "prometheus.yml"
    row = f"| {folder.name} | `{name}` | {name} | 80{number} | 35{number} |\n"
    table = re.search(r"^\| folder \| app id \|.*\n(?:\|.*\n)+", readme.read_text(), re.MULTILINE)
    if table is None:
        raise LabError("README.md has no port table: restore it first.")
    forwarded: list[int] = json.loads(container.read_text())["forwardPorts"]
    return {
        run_file: run_file.read_text() + _entry(name, number, folder),
        readme: readme.read_text().replace(table[0], table[0] + row),
        container: container.read_text()
        .replace(json.dumps(forwarded), json.dumps(sorted([*forwarded, int(f"80{number}")])))
        .replace(" }\n  },", f' }},\n    "80{number}": {{ "label": "{name}" }}\n  }},', 1),
        prometheus: re.sub(r"((?: +- .* labels: .*\n)+)", rf"\g<1>{_target(name, number)}", prometheus.read_text()),
        **_lists(name, folder),
    }


def _lists(name: str, folder: Path) -> dict[Path, str]:
    """Return the lists of kustomize with the new files and the new folder in them."""
    components = sorted(path.name.replace(NAME, name) for path in (TEMPLATE / "components").iterdir())
    added = {
        "components/Kustomization": components,
        "config/secure/Kustomization": [f"{name}.yaml"],
        "kubernetes/base/kustomization.yaml": [f"../../{folder.name}/kubernetes"],
    }
    lists: dict[Path, str] = {}
    for path, names in added.items():
        lines = "".join(f"  - {one}\n" for one in names)
        lists[ROOT / path] = re.sub(r"(resources:\n(?:  - .*\n)+)", rf"\g<1>{lines}", (ROOT / path).read_text())
    return lists


def _target(name: str, number: int) -> str:
    return f'      - {{targets: ["localhost:65{number}"], labels: {{app_id: {name}}}}}\n'


def _entry(name: str, number: int, folder: Path) -> str:
    command = re.findall(r"^    command: [^]]*uvicorn [^]]*]$", runfile.RUN_FILE.read_text(), re.MULTILINE)[-1]
    return f"""
  - appID: {name}
    appDirPath: ./{folder.name}
    appPort: 80{number}
    # Due jobs and events wait for an app that is down, instead of being retried and dropped.
    enableAppHealthCheck: true
    appHealthCheckPath: /healthz
    appHealthProbeInterval: 1
    appHealthProbeTimeout: 500
    appHealthThreshold: 1
    daprHTTPPort: 35{number}
    daprGRPCPort: 45{number}
    daprInternalGRPCPort: 55{number}
    metricsPort: 65{number}
{command}
    env:
      LAB: {name}
      # `./lab up {name}` starts this app too.
      NEEDS: callee-app
"""
