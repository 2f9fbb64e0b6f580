"""observability/: Prometheus' own checker passes the files, and each alert has a case in which it fires."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml

from labctl import runfile
from labctl.stack import Stack, infrastructure_ports
from tests.prometheus import FOLDER, alerts, panels, program

CHECKS = ("check config prometheus.yml", "check rules alerts.yaml", "test rules alerts-test.yaml")
CONFIG = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
_TESTS = yaml.safe_load((FOLDER / "alerts-test.yaml").read_text())["tests"]
CASES = [case for test in _TESTS for case in test["alert_rule_test"]]


@pytest.mark.parametrize("command", CHECKS)
def test_promtool(command: str) -> None:
    called = [program("promtool"), *command.split()]
    result = subprocess.run(called, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_alert_has_a_case_in_which_it_fires_and_says_what_to_do() -> None:
    fired = {case["alertname"] for case in CASES if case["exp_alerts"]}
    assert fired == {rule["alert"] for rule in alerts()}
    assert [rule["alert"] for rule in alerts() if rule["annotations"].keys() != {"summary", "action"}] == []


def test_each_sidecar_and_the_control_plane_are_scraped() -> None:
    jobs = {job["job_name"]: job["static_configs"] for job in CONFIG["scrape_configs"]}
    scraped = {(one["labels"]["app_id"], target) for one in jobs["sidecars"] for target in one["targets"]}
    assert scraped == {(app.app_id, f"localhost:{app.metrics_port}") for app in runfile.read_apps(Stack())}
    ports = infrastructure_ports(0)
    for name in ("placement", "scheduler"):
        assert jobs[name] == [{"targets": [f"localhost:{ports[f'{name}-metrics']}"]}]


def test_the_dashboard_has_a_form_that_grafana_reads() -> None:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    every = dashboard["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    cells = [
        (x, y)
        for panel in every
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "two panels overlap"
    assert max(x for x, _ in cells) < 24
    variables = {one["name"] for one in dashboard["templating"]["list"]} | {"__rate_interval"}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(panels()))) <= variables
