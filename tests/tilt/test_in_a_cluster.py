"""What `tilt up -- --mode k8s` would build and apply, asserted against dapr.yaml, the manifests and the Dockerfiles."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import starlark
import yaml

from labctl.make.images import TAG, image_name
from tests.house.repository import manifests, services
from tests.tilt import tilt
from tests.tilt.test_tiltfile import APPS, LABS

SERVICES = [pytest.param(folder, id=str(folder)) for folder in services()]
PAGE = (tilt.ROOT / "docs/kubernetes.md").read_text()


def in_a_cluster(*labs: str) -> tilt.Tilt:
    """Return what the Tiltfile says to Tilt in this mode."""
    return tilt.load("--mode", "k8s", *labs)


def container(folder: Path) -> dict[str, Any]:
    """Return the container of a service's first Deployment."""
    (first, *_) = [one for one in manifests(folder) if one["kind"] == "Deployment"]
    return first["spec"]["template"]["spec"]["containers"][0]


def overlay() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the patches of the overlay that Tilt applies, by the kind and the selection of their objects."""
    (path,) = in_a_cluster().overlays
    document = yaml.safe_load((tilt.ROOT / path / "kustomization.yaml").read_text())
    assert document["resources"] == ["../local"]
    return {
        (one["target"]["kind"], one["target"].get("name") or one["target"].get("labelSelector", "")): yaml.safe_load(
            one["patch"]
        )
        for one in document["patches"]
    }


def test_the_mode_is_local_unless_it_is_named() -> None:
    assert tilt.run("--mode", "local", "invocation") == tilt.run("--mode=local", "invocation") == tilt.run("invocation")


def test_an_unknown_mode_fails_with_the_list_of_modes() -> None:
    with pytest.raises(starlark.StarlarkError, match=r"There is no mode kubernetes. The modes are: local, k8s\."):
        tilt.run("--mode", "kubernetes")


def test_local_mode_needs_no_cluster() -> None:
    local = tilt.load()
    assert (local.overlays, local.builds, local.enabled) == ([], {}, None)


def test_all_labs_run_without_an_argument() -> None:
    assert in_a_cluster().running() == ["secrets", "redis", *(app["appID"] for app in APPS)]


@pytest.mark.parametrize("lab", LABS)
def test_one_lab_runs_with_its_name_and_what_it_needs(lab: str) -> None:
    local = tilt.run(lab)
    assert in_a_cluster(lab).running() == ["secrets", "redis", *(app["appID"] for app in APPS if app["appID"] in local)]


@pytest.mark.parametrize("app", APPS, ids=lambda app: app["appID"])
def test_an_app_has_the_ports_and_links_of_local_mode(app: dict[str, Any]) -> None:
    docs = {"url": f"http://localhost:{app['appPort']}/docs", "name": "docs"}
    assert in_a_cluster().resources[app["appID"]] == {
        "port_forwards": [
            {"ports": [app["appPort"], app["appPort"]], "name": "app"},
            {"ports": [app["daprHTTPPort"], 3500], "name": "sidecar", "link_path": "/v1.0/metadata"},
        ],
        "resource_deps": ["redis"],
        "links": [] if app.get("appProtocol") == "grpc" else [docs],
        "labels": [app["env"]["LAB"]],
    }


def test_each_deployment_is_a_resource() -> None:
    found = [one for folder in services() for one in manifests(folder) if one["kind"] == "Deployment"]
    redis = yaml.safe_load_all((tilt.ROOT / "kubernetes/overlays/local/redis.yaml").read_text())
    names = [one["metadata"]["name"] for one in [*found, *redis] if one["kind"] == "Deployment"]
    assert sorted(in_a_cluster().resources) == sorted(["secrets", *names])


def test_redis_waits_for_the_secrets_that_the_page_makes() -> None:
    resources = in_a_cluster().resources
    assert resources["redis"] == {"resource_deps": ["secrets"], "labels": ["infrastructure"]}
    command, _, _ = resources["secrets"]["cmd"].partition(" || ")
    # The last ones are those of the overlay `production`.
    before, _, _ = PAGE.partition("Or apply `production`.")
    (namespace,) = re.findall(r"^kubectl config set-context --current --namespace=(\S+)", before, re.MULTILINE)
    made = re.findall(r"^kubectl create secret generic (\S+)", before, re.MULTILINE)
    asked = command.split()
    assert asked[:5] == ["kubectl", "get", "secret", "--namespace", namespace]
    assert sorted(asked[5:]) == sorted(made)


def test_a_missing_secret_leads_to_the_page(tmp_path: Path) -> None:
    # Without kubectl the command fails too.
    environment = os.environ | {"PATH": str(tmp_path)}
    command = ["/bin/sh", "-c", in_a_cluster().resources["secrets"]["cmd"]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Make the Secrets once, as docs/kubernetes.md says." in done.stderr


def test_each_image_of_the_manifests_is_built() -> None:
    used = {
        one["spec"]["template"]["spec"]["containers"][0]["image"]
        for folder in services()
        for one in manifests(folder)
        if one["kind"] == "Deployment"
    }
    # A name without a tag stands for each of its tags.
    assert {f"{name}:{TAG}" for name in in_a_cluster().builds} == used


@pytest.mark.parametrize("folder", SERVICES)
def test_an_image_is_built_from_its_folder_and_its_user_may_write_the_code(folder: Path) -> None:
    build = in_a_cluster().builds[image_name(folder).removesuffix(f":{TAG}")]
    assert Path(build["context"]) == folder
    dockerfile = (tilt.ROOT / folder / "Dockerfile").read_text()
    (code,) = re.findall(r"^WORKDIR (\S+)$", dockerfile, re.MULTILINE)
    (user,) = re.findall(r"^USER (\d+)$", dockerfile, re.MULTILINE)
    assert container(folder)["securityContext"]["runAsUser"] == int(user)
    added = build["dockerfile_contents"].removeprefix(dockerfile)
    assert added.split("\n") == ["", "USER root", f"RUN chown -R {user} {code}", f"USER {user}", ""]
    assert build["live_update"] == [
        {"fall_back_on": f"{build['context']}/requirements.txt"},
        {"sync": [build["context"], code]},
    ]
    assert (tilt.ROOT / folder / "requirements.txt").is_file()
    assert {"**/.venv", "**/__pycache__", "**/tests", "**/kubernetes"} <= set(build["ignore"])


def test_an_app_can_write_its_files_and_restarts_when_one_changes() -> None:
    rights, probe, command = overlay()["Deployment", "app.kubernetes.io/part-of=dapr-labs"]
    place = "/spec/template/spec/containers/0"
    assert rights == {"op": "replace", "path": f"{place}/securityContext/readOnlyRootFilesystem", "value": False}
    assert probe == {"op": "remove", "path": f"{place}/livenessProbe"}
    assert (command["op"], command["path"]) == ("add", f"{place}/command")
    shell, option, text = command["value"]
    assert text.endswith(" --reload")
    on_a_laptop = (
        text.removesuffix(" --reload").replace("uvicorn", ".venv/bin/uvicorn", 1).replace("0.0.0.0", "127.0.0.1")
    )
    assert [app["appID"] for app in APPS if app["command"] != [shell, option, on_a_laptop]] == ["callee-grpc-app"]


def test_the_greeter_restarts_too_and_each_app_has_one_replica() -> None:
    patches = overlay()
    (patch,) = patches["Deployment", "callee-grpc-app"]
    (app,) = [one for one in APPS if one["appID"] == "callee-grpc-app"]
    program, *options, command = patch["value"]
    assert app["command"] == ["sh", "-c", f"exec .venv/bin/{command}"]
    assert options == ["--filter", "python", "--sigint-timeout", "10"]
    assert f"\n{program}==" in (tilt.ROOT / app["appDirPath"] / "requirements.txt").read_text()
    least_and_most = {one["path"]: one["value"] for one in patches["HorizontalPodAutoscaler", ""]}
    assert least_and_most == {"/spec/minReplicas": 1, "/spec/maxReplicas": 1}
