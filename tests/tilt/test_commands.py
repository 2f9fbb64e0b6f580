"""The recorded commands of one lab, carried out on the real runtime until each probe passes."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from labctl import lifecycle, processes
from labctl.site import TEST_OFFSET, Site, infrastructure_ports
from tests.tilt import tilt
from tests.tilt.commands import tilt_up

SITE = Site("tilt", TEST_OFFSET)


def port_of(port: int) -> int:
    """Where the site of these tests has what is on that port in the plan."""
    names = {number: name for name, number in infrastructure_ports(0).items()}
    return SITE.ports[names[port]] if port in names else port + SITE.offset


@pytest.fixture
def free_ports() -> None:
    """The other tests' site has these same ports; it is brought up again by the next test that needs it."""
    lifecycle.down(Site("test", TEST_OFFSET))


@pytest.mark.lab("invocation")
@pytest.mark.usefixtures("free_ports")
def test_the_invocation_lab_comes_up_answers_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {"LAB_SITE_NAME": SITE.name, "LAB_PORT_OFFSET": str(SITE.offset)}
    resources = tilt.run("invocation")
    with tilt_up(resources, environment, port_of, tmp_path / "logs", within=240) as serving:
        assert list(serving) == ["redis", "placement", "scheduler", "callee-app", "caller-app", "callee-grpc-app"]
        url = f"http://127.0.0.1:{port_of(8002)}/call-greet/Ada"
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert json.load(answer)["message"] == "Hello, Ada from callee-app!"
    left = [f"{one.name} (pid {one.pid})" for one in processes.find(SITE)]
    assert left == []
