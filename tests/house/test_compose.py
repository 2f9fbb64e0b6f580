"""compose.yaml is dapr.yaml and `./lab up` in other words: the same apps, sidecars, ports and processes below them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from labctl import runfile
from labctl.make import redis_server
from labctl.make.images import image_name
from labctl.make.installed import RUNTIME_VERSION
from labctl.make.runtime import Runtime
from labctl.stack import Stack
from labctl.up import infrastructure, loopback
from tests.house.repository import ROOT, apps, manifests, seconds, text
from tests.house.test_images import instructions
from tests.house.test_scopes import components

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BELOW = {"network", "setup", "redis", "placement", "scheduler"}
APPS = [pytest.param(app, id=app["appID"], marks=pytest.mark.lab(app["env"]["LAB"])) for app in apps()]
LABS = list(dict.fromkeys(app["env"]["LAB"] for app in apps()))
HERE = Path("/labs")  # the clone, in a sidecar
# The options of dapr.yaml as flags of daprd. An option that is not here fails the test.
FLAGS = {
    "appID": "app-id",
    "appPort": "app-port",
    "appProtocol": "app-protocol",
    "appMaxConcurrency": "app-max-concurrency",
    "daprHTTPPort": "dapr-http-port",
    "daprGRPCPort": "dapr-grpc-port",
    "daprInternalGRPCPort": "dapr-internal-grpc-port",
    "metricsPort": "metrics-port",
    "enableAppHealthCheck": "enable-app-health-check",
    "appHealthCheckPath": "app-health-check-path",
    "appHealthProbeInterval": "app-health-probe-interval",
    "appHealthProbeTimeout": "app-health-probe-timeout",
    "appHealthThreshold": "app-health-threshold",
}
NO_FLAGS = {"appDirPath", "command", "env"}
# The only components that read files of secrets/.
READ_SECRETS = ("secretstores.local.file", "crypto.dapr.localstorage")


def words(command: str | list[str]) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else command


def flags(command: list[str]) -> dict[str, str]:
    """Return the flags of a command line with their values, several joined by commas. A switch is `true`."""
    found: dict[str, str] = {}
    for number, word in enumerate(command):
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            following = command[number + 1] if number + 1 < len(command) else "--"
            value = value or ("true" if following.startswith("--") else following)
            found[name] = f"{found[name]},{value}" if name in found else value
    return found


def test_each_app_has_a_container_and_a_sidecar_beside_what_runs_below_all() -> None:
    assert set(SERVICES) == BELOW | {f"{app['appID']}{suffix}" for app in apps() for suffix in ("", "-sidecar")}


@pytest.mark.parametrize("app", APPS)
def test_a_profile_is_a_lab_with_the_apps_that_it_needs(app: dict[str, Any]) -> None:
    needing = [other["env"]["LAB"] for other in apps() if app["appID"] in other["env"].get("NEEDS", "").split()]
    for name in (app["appID"], f"{app['appID']}-sidecar"):
        assert SERVICES[name]["profiles"] == [app["env"]["LAB"], *needing]


def test_what_runs_below_is_part_of_every_profile() -> None:
    assert {name: SERVICES[name]["profiles"] for name in BELOW} == dict.fromkeys(BELOW, LABS)


@pytest.mark.parametrize("app", APPS)
def test_an_app_has_its_image_and_the_environment_that_the_dapr_cli_gives_it(app: dict[str, Any]) -> None:
    service, folder = SERVICES[app["appID"]], Path(app["appDirPath"])
    assert service["image"] == image_name(ROOT / folder)
    ports = {"APP_PORT": app["appPort"], "DAPR_HTTP_PORT": app["daprHTTPPort"], "DAPR_GRPC_PORT": app["daprGRPCPort"]}
    assert service["environment"] == app["env"] | ports | {"APP_ID": app["appID"], "ALLOWED_HOSTS": ""}
    # It starts after its sidecar, and ends before it.
    assert service["depends_on"] == [f"{app['appID']}-sidecar"]
    containers = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]["containers"][0]
        for one in manifests(folder)
        if one["kind"] == "Deployment"
    }
    assert service.get("command") == containers[app["appID"]].get("command")


def test_each_image_is_built_once_from_the_folder_of_its_service() -> None:
    built = [(service["build"], service["image"]) for service in SERVICES.values() if "build" in service]
    assert built == [
        (str(folder), image_name(ROOT / folder)) for folder in dict.fromkeys(Path(app["appDirPath"]) for app in apps())
    ]


@pytest.mark.parametrize("app", APPS)
def test_a_sidecar_has_the_flags_that_the_dapr_cli_gives_it(app: dict[str, Any]) -> None:
    sidecar, ports = SERVICES[f"{app['appID']}-sidecar"], Stack().ports
    common = yaml.safe_load(text(Path("dapr.yaml")))["common"]
    expected = {FLAGS[key]: str(value) for key, value in app.items() if key not in NO_FLAGS}
    expected |= {name: value.lower() for name, value in expected.items() if value == "True"}
    expected |= {
        "resources-path": ",".join(str(HERE / path) for path in common.pop("resourcesPaths")),
        "config": f"{HERE / common.pop('configFilePath')},{HERE / 'config/compose.yaml'}",
        "enable-api-logging": str(common.pop("enableApiLogging")).lower(),
        "placement-host-address": f"127.0.0.1:{ports['placement']}",
        "scheduler-host-address": f"127.0.0.1:{ports['scheduler']}",
    }
    # Docker forwards its ports to the address of the network, and publishes them on loopback.
    assert common.pop("apiListenAddresses") == "127.0.0.1"
    expected |= {"dapr-listen-addresses": "0.0.0.0"} | flags(words(loopback.FLAGS))
    assert common == {}
    assert flags(words(sidecar["entrypoint"]) + words(sidecar["command"])) == expected
    # Components have paths relative to it.
    assert Path(sidecar["working_dir"]) == HERE / app["appDirPath"]


@pytest.mark.parametrize("app", APPS)
def test_a_sidecar_sees_the_keys_only_if_a_component_of_its_app_reads_them(app: dict[str, Any]) -> None:
    reads = [one for one in components() if one["spec"]["type"] in READ_SECRETS and app["appID"] in one["scopes"]]
    volumes = SERVICES[f"{app['appID']}-sidecar"]["volumes"]
    assert ("secrets:/labs/secrets:ro" in volumes) == bool(reads)


def test_a_folder_of_the_clone_is_mounted_where_it_is_and_read_only() -> None:
    mounts = {mount for service in SERVICES.values() for mount in service.get("volumes", []) if mount[0] == "."}
    assert {(ROOT / mount.split(":")[0]).exists() for mount in mounts} == {True}
    assert {mount.split(":")[2] for mount in mounts} == {"ro"}


def test_the_ports_of_apps_and_sidecars_are_published_once_and_on_loopback_only() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["network"]
    published: list[int] = []
    for line in SERVICES["network"]["ports"]:
        address, outside, inside = line.split(":")
        assert (address, outside) == ("127.0.0.1", inside)
        first, _, last = inside.partition("-")
        published += range(int(first), int(last or first) + 1)
    assert sorted(published) == sorted(port for app in apps() for port in (app["appPort"], app["daprHTTPPort"]))


@pytest.mark.parametrize("name", ["redis", "placement", "scheduler"])
def test_what_runs_below_has_the_flags_that_lab_up_gives_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stack, "state", tmp_path)
    monkeypatch.setattr(redis_server, "find_redis", lambda: Path("redis-server"))
    runtime = Runtime("", tmp_path, tmp_path)
    runtime.binary(name).parent.mkdir(parents=True)
    runtime.binary(name).touch()
    stack = Stack()
    # As a file of a volume, and with the image's own process title, which no ./lab looks for.
    paths = {str(tmp_path / name): "/data"}
    expected = {
        flag: paths.get(value, value) for flag, value in flags(infrastructure.command(stack, name, runtime)).items()
    }
    expected.pop("set-proc-title", None)
    assert flags(words(SERVICES[name]["command"])) == expected


def test_the_dapr_images_have_the_pinned_version() -> None:
    images = {service["image"] for service in SERVICES.values() if service["image"].startswith("daprio/")}
    assert images == {f"daprio/{name}:{RUNTIME_VERSION}" for name in ("daprd", "placement", "scheduler")}


def test_the_base_of_the_images_is_all_that_setup_needs() -> None:
    assert SERVICES["setup"]["image"] == instructions(Path("caller_service/Dockerfile"))[0][1].split("=")[1]


def test_the_names_of_apps_are_kept_as_in_lab_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "state", tmp_path)
    lab = yaml.safe_load(runfile.stack_config(Stack()).read_text())["spec"]["nameResolution"]
    ours = yaml.safe_load(text(Path("config/compose.yaml")))["spec"]["nameResolution"]
    assert Path(ours["configuration"].pop("connectionString")).parent == HERE / "names"
    lab["configuration"].pop("connectionString")
    assert ours == lab


@pytest.mark.parametrize("name", list(SERVICES))
def test_a_container_has_few_rights_and_bounds(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"], service["security_opt"]) == (
        True,
        ["ALL"],
        ["no-new-privileges:true"],
    )
    assert {"mem_limit", "pids_limit", "stop_grace_period", "logging"} <= set(service)
    assert name == "setup" or ("cap_add" not in service and service.get("user") != "root")
    # uvicorn has 10 s for the requests in flight.
    assert seconds(service["stop_grace_period"]) > 10
