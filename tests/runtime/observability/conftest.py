"""All labs at once, and a real Prometheus that scrapes them."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from labctl import runfile
from labctl.stack import infrastructure_ports
from labctl.up.processes import wait_until
from tests.prometheus import FOLDER, program
from tests.runtime.blocks.conftest import Blocks
from tests.runtime.chat.conftest import Chat
from tests.runtime.conftest import STACK, apps_of, heal
from tests.runtime.invocation.conftest import Invocation
from tests.runtime.jobs.conftest import Jobs
from tests.runtime.patterns.conftest import Patterns
from tests.runtime.pizza.conftest import Pizza


class Labs:
    """All labs, each as its own tests talk to it."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.invocation = Invocation(STACK, apps_of("invocation"), http)
        self.jobs = Jobs(STACK, apps_of("jobs"), http)
        self.chat = Chat(STACK, apps_of("chat"), http)
        self.pizza = Pizza(STACK, apps_of("pizza"), http)
        self.blocks = Blocks(STACK, apps_of("blocks"), http)
        self.patterns = Patterns(STACK, apps_of("patterns"), http)
        self.apps = runfile.read_apps(STACK)

    def heal(self) -> None:
        """Restart what an earlier test has ended, and set no fault."""
        for name in runfile.labs(self.apps):
            heal(getattr(self, name), name)


@pytest.fixture(scope="module")
def labs(stack_of_the_session: httpx.Client) -> Iterator[Labs]:
    labs = Labs(stack_of_the_session)
    labs.heal()
    yield labs
    labs.heal()


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus with the files of observability/."""

    http: httpx.Client
    url: str

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now."""
        answer = self.http.get(f"{self.url}/api/v1/query", params={"query": expression})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["result"]

    def firing(self) -> list[dict[str, str]]:
        """Return the labels of the alerts that fire."""
        alerts = self.http.get(f"{self.url}/api/v1/alerts").json()["data"]["alerts"]
        return [alert["labels"] for alert in alerts if alert["state"] == "firing"]

    def wait_for(self, alert: str, **labels: str) -> None:
        """Wait until an alert with these labels fires."""
        wanted = {"alertname": alert, **labels}
        assert wait_until(lambda: any(wanted.items() <= one.items() for one in self.firing()), 30), self.firing()


@pytest.fixture(scope="module")
def prometheus(labs: Labs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    config, port = in_the_tests_stack(folder), free_port()
    command = [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    server = Prometheus(labs.http, f"http://127.0.0.1:{port}")

    def has_scraped() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            is_ready = labs.http.get(f"{server.url}/-/ready").is_success
        except httpx.TransportError:
            return False
        return is_ready and len(server.ask("up == 1")) == len(labs.apps) + 2

    try:
        assert wait_until(has_scraped, 30), server.ask("up == 0")
        yield server
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def in_the_tests_stack(folder: Path) -> Path:
    """Write the configuration for the ports of the tests' stack, with shorter intervals. Return its path."""
    config, rules = (FOLDER / "prometheus.yml").read_text(), (FOLDER / "alerts.yaml").read_text()
    moved = {app.metrics_port - STACK.offset: app.metrics_port for app in runfile.read_apps(STACK)}
    for name in ("placement-metrics", "scheduler-metrics"):
        moved[infrastructure_ports(0)[name]] = STACK.ports[name]
    for here, there in moved.items():
        assert f"localhost:{here}" in config
        config = config.replace(f'"localhost:{here}"', f'"127.0.0.1:{there}"')
    config = config.replace("scrape_interval: 5s", "scrape_interval: 1s")
    config = config.replace("evaluation_interval: 5s", "evaluation_interval: 1s")
    # The unit tests of the rules hold the real waits.
    (folder / "alerts.yaml").write_text(rules.replace("for: 30s", "for: 2s"))
    (folder / "prometheus.yml").write_text(config)
    return folder / "prometheus.yml"
