"""What `tilt up` would start, asserted resource by resource against dapr.yaml."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import starlark
import yaml

from labctl.stack import infrastructure_ports
from tests.tilt import tilt

APPS: list[dict[str, Any]] = yaml.safe_load((tilt.ROOT / "dapr.yaml").read_text())["apps"]
LABS = list(dict.fromkeys(app["env"]["LAB"] for app in APPS))
BELOW = ["redis", "placement", "scheduler"]


def test_all_labs_come_up_without_an_argument() -> None:
    assert list(tilt.run()) == ["setup", *BELOW, *(app["appID"] for app in APPS)]


@pytest.mark.parametrize("lab", LABS)
def test_one_lab_comes_up_with_its_name(lab: str) -> None:
    needed = {needs for app in APPS if app["env"]["LAB"] == lab for needs in app["env"].get("NEEDS", "").split()}
    expected = [app["appID"] for app in APPS if app["env"]["LAB"] == lab or app["appID"] in needed]
    assert list(tilt.run(lab)) == ["setup", *BELOW, *expected]


def test_the_labs_that_are_named_come_up_and_no_other(tmp_path: Path) -> None:
    another = {"appID": "a-later-app", "appDirPath": "./later", "appPort": 8099, "daprHTTPPort": 3599}
    shutil.copy(tilt.ROOT / "dapr.yaml", tmp_path)
    document = yaml.safe_load((tmp_path / "dapr.yaml").read_text())
    document["apps"].append(another | {"env": {"LAB": "a-later-lab", "NEEDS": "callee-app"}})
    (tmp_path / "dapr.yaml").write_text(yaml.safe_dump(document))

    assert list(tilt.run("a-later-lab", folder=tmp_path)) == ["setup", *BELOW, "callee-app", "a-later-app"]
    assert list(tilt.run(*LABS, "a-later-lab", folder=tmp_path)) == list(tilt.run(folder=tmp_path))


def test_an_unknown_lab_fails_with_the_list_of_labs() -> None:
    with pytest.raises(starlark.StarlarkError, match=rf"There is no lab inovcation. The labs are: {', '.join(LABS)}\."):
        tilt.run("inovcation")


def test_setup_runs_once_and_before_everything() -> None:
    assert tilt.run()["setup"] == {"cmd": ["./lab", "setup"], "labels": ["infrastructure"]}


@pytest.mark.parametrize("name", BELOW)
def test_redis_placement_and_scheduler(name: str) -> None:
    assert tilt.run()[name] == {
        "serve_cmd": ["./lab", "serve", name],
        "resource_deps": ["setup"],
        "readiness_probe": {"period_secs": 1, "tcp_socket": {"port": infrastructure_ports(0)[name]}},
        "labels": ["infrastructure"],
    }


@pytest.mark.parametrize("app", APPS, ids=lambda app: app["appID"])
def test_an_app(app: dict[str, Any]) -> None:
    resource = tilt.run()[app["appID"]]
    # `dapr run -f` writes each app's log into .dapr/logs in the app's own folder.
    assert {"**/.dapr", "**/.venv", "**/__pycache__", "**/tests"} <= set(resource.pop("ignore"))
    links = [{"url": f"http://localhost:{app['daprHTTPPort']}/v1.0/metadata", "name": "sidecar"}]
    if app.get("appProtocol") == "grpc":
        probe = {"period_secs": 1, "tcp_socket": {"port": app["appPort"]}}
    else:
        probe = {"period_secs": 1, "timeout_secs": 3, "http_get": {"port": app["appPort"], "path": "/readyz"}}
        base = f"http://localhost:{app['appPort']}"
        links = [{"url": f"{base}/", "name": "app"}, {"url": f"{base}/docs", "name": "docs"}, *links]
    assert resource == {
        "serve_cmd": ["./lab", "serve", app["appID"]],
        "deps": [app["appDirPath"], "dapr.yaml", "components", "config", "secrets"],
        "resource_deps": BELOW,
        "readiness_probe": probe,
        "links": links,
        "labels": [app["env"]["LAB"]],
    }
    assert all((tilt.ROOT / path).exists() for path in resource["deps"])
