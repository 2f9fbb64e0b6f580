"""One port plan: README.md, dapr.yaml, labctl, manifests, images and pages agree, and nothing collides."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from labctl.new.service import NUMBERS
from labctl.runfile import CONSOLE, MAIL, WEBHOOK, ZIPKIN
from labctl.stack import BROKER_PORTS, broker_ports, infrastructure_ports
from tests.docs.ports import APART as DOCS_APART
from tests.docs.ports import planned
from tests.house.repository import NO_APP, PORT_KEYS, ROOT, apps, below, manifests, named, plan, services, table
from tests.side_by_side import APART, COUNT

# What `dapr init` chose, which cannot be moved; all else stays below the range from which systems lend ports.
DAPR_INIT = {50001, 50005, 50006}
LENT_FROM = 32768
# Dapr's own choice where nobody pins one: a sidecar on Kubernetes, and in what else is taught.
DAPR_DEFAULT = {3500}
OLLAMA = 11434
# The stacks of two checkouts (CONTRIBUTING.md): those of tests/runtime and tests/docs, for each group of tests.
CHECKOUTS = (10000, 11150)
STACKS = [
    0,
    *(first + group * APART + docs for first in CHECKOUTS for group in range(COUNT) for docs in (0, DOCS_APART)),
]
# Programs of the reader that are named: a web page under development (CORS), Prometheus, Tilt's own page, Ollama.
READERS = {3000, 9090, 10350, OLLAMA}

BROKERS = broker_ports(0).values()
APP_IDS = [app["appID"] for app in apps()]


def app_ports() -> list[int]:
    """Return every port of every app in dapr.yaml, with repetitions."""
    return [app[key] for app in apps() for key in PORT_KEYS]


def planned_ports() -> set[int]:
    """Return every port of every app of the plan: the app's, and its sidecar's four."""
    return {row.app_port - shift for row in plan() for shift in (0, 4500, 3500, 2500, 1500)}


@pytest.mark.parametrize("app", apps(), ids=APP_IDS)
def test_an_app_has_the_ports_of_the_plan(app: dict[str, Any]) -> None:
    row = {one.app_id: one for one in plan()}.get(app["appID"])
    assert row, f"README.md's port table has no row for {app['appID']}"
    assert (app["appPort"], app["daprHTTPPort"], app["env"]["LAB"]) == (row.app_port, row.http_port, row.lab)
    assert Path(app["appDirPath"]) == Path(row.folder.split(" ")[0])


@pytest.mark.parametrize("app", apps(), ids=APP_IDS)
def test_a_sidecar_has_its_apps_number_in_every_range(app: dict[str, Any]) -> None:
    number = app["appPort"] - 8000
    assert [app[key] - number for key in PORT_KEYS] == [8000, 3500, 4500, 5500, 6500]


def test_the_plan_itself_names_no_port_and_no_app_twice() -> None:
    ports = Counter(port for row in plan() for port in (row.app_port, row.http_port))
    assert [port for port, times in ports.items() if times > 1] == []
    assert [app for app, times in Counter(row.app_id for row in plan()).items() if times > 1] == []


def test_the_console_has_its_own_row() -> None:
    rows = table((ROOT / "README.md").read_text(), ("folder", "app id", "app port", "Dapr HTTP port"))
    assert [row for row in rows if row[1] == NO_APP] == [["console", NO_APP, str(CONSOLE), NO_APP]]


def test_the_table_of_what_runs_below_the_apps_is_labctls() -> None:
    columns = ("below the apps", "port", "health", "metrics", "others")
    rows = table((ROOT / "README.md").read_text(), columns)
    said = {name: [int(port) for cell in cells for port in re.findall(r"\d+", cell)] for name, *cells in rows}
    planned: dict[str, list[int]] = {}
    for secure in (False, True):
        for name, port in infrastructure_ports(0, secure).items():
            process = name.partition("-")[0]
            if not secure:
                planned.setdefault(process, []).append(port)
            else:
                planned.setdefault(f"{process} of --secure", []).append(port)
    planned |= {f"{name} of --components": [*ports.values()] for name, ports in BROKER_PORTS.items()}
    assert said == planned


def test_no_two_processes_of_a_stack_share_a_port() -> None:
    for secure in (False, True):
        ports = Counter([*app_ports(), *infrastructure_ports(0, secure).values(), *BROKERS, CONSOLE, ZIPKIN])
        assert [port for port, times in ports.items() if times > 1] == []


def all_ports(offset: int) -> set[int]:
    """Return every port of a stack, and those that its tests use in place of Zipkin and Ollama."""
    return planned(offset) | {ZIPKIN + offset, OLLAMA + offset}


def test_every_port_is_below_those_that_the_system_lends() -> None:
    assert planned_ports() <= all_ports(0)
    for offset in STACKS:
        assert {port for port in all_ports(offset) if port >= LENT_FROM} <= DAPR_INIT


def test_stacks_that_may_run_at_once_share_no_port() -> None:
    ports = Counter(port for offset in STACKS for port in all_ports(offset))
    assert [port for port, times in ports.items() if times > 1] == []
    assert f"`LAB_TEST_OFFSET={CHECKOUTS[1]}`" in (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("folder", services(), ids=str)
def test_the_manifests_of_a_service_have_its_ports(folder: Path) -> None:
    of_folder = {app["appID"]: app for app in apps() if Path(app["appDirPath"]) == folder}
    documents = manifests(folder)
    annotated: list[str] = []
    for deployment in (one for one in documents if one["kind"] == "Deployment"):
        template = deployment["spec"]["template"]
        annotations = template["metadata"]["annotations"]
        app = of_folder.get(annotations["dapr.io/app-id"])
        assert app, f"{folder}: dapr.yaml has no app {annotations['dapr.io/app-id']} in it"
        annotated.append(app["appID"])
        assert annotations["dapr.io/app-port"] == str(app["appPort"])
        assert annotations.get("dapr.io/app-protocol", "http") == app.get("appProtocol", "http")
        for container in template["spec"]["containers"]:
            names = {one.get("name"): one["containerPort"] for one in container["ports"]}
            assert list(names.values()) == [app["appPort"]]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                for kind in ("httpGet", "tcpSocket", "grpc"):
                    port = container.get(probe, {}).get(kind, {}).get("port", app["appPort"])
                    assert names.get(port, port) == app["appPort"], probe
            environment = {one["name"]: one.get("value") for one in container.get("env", [])}
            assert environment.get("APP_PORT", str(app["appPort"])) == str(app["appPort"])
            for service in (one for one in documents if one["kind"] == "Service"):
                if service["spec"]["selector"].items() <= template["metadata"]["labels"].items():
                    (port,) = service["spec"]["ports"]
                    target = port["targetPort"]
                    assert (port["port"], names.get(target, target)) == (80, app["appPort"])
    assert sorted(annotated) == sorted(of_folder)


@pytest.mark.parametrize("folder", services(), ids=str)
def test_an_image_exposes_a_port_of_the_plan(folder: Path) -> None:
    text = (ROOT / folder / "Dockerfile").read_text()
    mine = {app["appPort"] for app in apps() if Path(app["appDirPath"]) == folder}
    said = re.findall(r"^EXPOSE\s+(.+)$", text, re.MULTILINE) + re.findall(r"\bAPP_PORT=(\d+)", text)
    assert said
    assert {int(port) for line in said for port in line.split()} <= mine


def test_the_dev_container_forwards_every_web_app_and_the_console() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    web = {app["appPort"]: app["appID"] for app in apps() if app.get("appProtocol") != "grpc"} | {CONSOLE: "console"}
    assert container["forwardPorts"] == sorted(web)
    assert {int(port): it["label"] for port, it in container["portsAttributes"].items()} == web


def test_every_local_address_in_the_pages_is_one_of_the_plan() -> None:
    known = planned_ports() | {*infrastructure_ports(0).values(), *infrastructure_ports(0, secure=True).values()}
    known |= {*DAPR_INIT, *DAPR_DEFAULT, *BROKERS, CONSOLE, MAIL, WEBHOOK, ZIPKIN, *READERS}
    known |= {8000 + number - shift for number in NUMBERS for shift in (0, 4500, 3500, 2500, 1500)}
    strangers: list[str] = []
    for path in named("*.md", "*.http", "openapi.json", "Tiltfile", "*.yaml", "devcontainer.json"):
        for port in re.findall(r"(?:localhost|127\.0\.0\.1):(\d+)", (ROOT / path).read_text()):
            if int(port) not in known:
                strangers.append(f"{path}: {port}")
    assert strangers == []


def test_a_service_has_no_port_in_its_code() -> None:
    """An app takes its ports from what Dapr sets (settings.py, with the plan's as defaults), never from a constant."""
    ports = "|".join(str(port) for port in app_ports())
    found = [
        f"{path}:{number}"
        for folder in services()
        for path in below(folder)
        if path.suffix == ".py" and path.name != "settings.py" and "tests" not in path.parts
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if re.search(rf"\b({ports})\b", line)
    ]
    assert found == []
