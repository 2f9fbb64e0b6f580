"""pizza_services/dapr.yaml says of the pizza apps what dapr.yaml says; and the lab's policy fits its callers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.repository import ROOT, seconds, setting

ALONE = Path("pizza_services/dapr.yaml")
RESILIENCY = Path("components/pizza-resiliency.yaml")


def loaded(path: Path) -> dict[str, Any]:
    """Return a YAML file of this repository."""
    return yaml.safe_load((ROOT / path).read_text())


def resolved(run_file: Path, path: str) -> Path:
    """Return a path in a run file, which is relative to that file."""
    return (ROOT / run_file.parent / path).resolve()


@pytest.mark.lab("pizza")
def test_the_pizza_lab_alone_is_the_same_five_apps() -> None:
    def apps(run_file: Path) -> list[dict[str, Any]]:
        pizza = [app for app in loaded(run_file)["apps"] if app["env"]["LAB"] == "pizza"]
        return [{**app, "appDirPath": resolved(run_file, app["appDirPath"])} for app in pizza]

    assert len(apps(ALONE)) == 5
    assert apps(ALONE) == apps(Path("dapr.yaml"))
    assert len(loaded(ALONE)["apps"]) == 5


@pytest.mark.lab("pizza")
def test_the_pizza_lab_alone_has_the_same_common_settings() -> None:
    def common(run_file: Path) -> dict[str, Any]:
        settings = dict(loaded(run_file)["common"])
        settings["configFilePath"] = resolved(run_file, settings["configFilePath"])
        settings["resourcesPaths"] = [resolved(run_file, path) for path in settings["resourcesPaths"]]
        return settings

    assert common(ALONE) == common(Path("dapr.yaml"))


def worst_case(app_id: str) -> float:
    """Return the longest time of a call to this app through the sidecar, with all retries."""
    spec = loaded(RESILIENCY)["spec"]
    target = spec["targets"]["apps"][app_id]
    retry, timeout = spec["policies"]["retries"][target["retry"]], spec["policies"]["timeouts"][target["timeout"]]
    return (retry["maxRetries"] + 1) * seconds(timeout) + retry["maxRetries"] * seconds(retry["duration"])


@pytest.mark.lab("pizza")
@pytest.mark.parametrize(
    ("app_id", "limit"),
    [
        ("pizza-storefront", "min(s.time_limits.order_pizza, s.time_limits.compensate)"),
        ("pizza-kitchen", "min(s.time_limits.cook_pizza, s.time_limits.compensate)"),
        ("pizza-delivery", "min(s.time_limits.deliver_pizza, s.time_limits.compensate)"),
        ("pizza-order", "s.call_timeout_seconds"),
    ],
)
def test_the_workflow_waits_longer_than_its_sidecar_may_need(app_id: str, limit: str) -> None:
    assert setting("pizza_services/workflow_service", limit) > worst_case(app_id)


@pytest.mark.lab("pizza")
@pytest.mark.parametrize("service", ["storefront", "kitchen", "delivery"])
def test_a_step_fits_into_the_time_that_a_sidecar_gives_it(service: str) -> None:
    timeout = seconds(loaded(RESILIENCY)["spec"]["policies"]["timeouts"]["stepTimeout"])
    assert setting(f"pizza_services/{service}_service", "s.step_seconds + s.store_timeout_seconds") < timeout


@pytest.mark.lab("pizza")
@pytest.mark.parametrize("service", ["storefront", "kitchen", "delivery"])
def test_a_ledger_keeps_the_steps_of_running_orders(service: str) -> None:
    shortest = "type(s).model_fields['ledger_retention_seconds'].metadata[0].ge"
    longest = "s.rules.deadline_seconds + s.watch_grace_seconds"
    kept = setting(f"pizza_services/{service}_service", shortest)
    assert kept > setting("pizza_services/workflow_service", longest)
