"""Configuration on the real runtime: a change reaches the running app, also after its sidecar was gone."""

from __future__ import annotations

import time

import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.blocks.tasks import TASKS, call

pytestmark = pytest.mark.lab("blocks")
FLAG, RETRIES = "feature-flag-x", "max-retry-count"


@pytest.fixture(autouse=True)
def _defaults(lab):
    assert wait_until(lambda: call(lab, "GET", "/configuration").json()["subscribed"], 15, 0.05)
    yield
    lab.redis("DEL", FLAG, RETRIES)
    assert wait_until(lambda: value(lab, FLAG) == ("off", None) and value(lab, RETRIES) == ("3", None), 10, 0.05)


def value(lab, key):
    """Return value and version that the app uses now."""
    one = call(lab, "GET", "/configuration").json()["values"][key]
    return one["value"], one["version"]


def seconds_until(lab, key, expected):
    """Return the seconds until the app uses this value."""
    begin = time.monotonic()
    assert wait_until(lambda: value(lab, key) == expected, 10, 0.005), value(lab, key)
    return time.monotonic() - begin


def test_a_change_reaches_the_app_in_less_than_a_second(lab):
    assert value(lab, FLAG) == ("off", None)
    for version in range(1, 11):
        wanted = ("on", "off")[version % 2]
        lab.redis("SET", FLAG, f"{wanted}||{version}")
        assert seconds_until(lab, FLAG, (wanted, str(version))) < 1
    lab.redis("SET", RETRIES, "7")
    assert seconds_until(lab, RETRIES, ("7", None)) < 1


@pytest.mark.parametrize("bad", ["maybe||2", "ON||2", "x" * 2000])
def test_a_value_that_is_not_valid_is_ignored(lab, bad):
    lab.redis("SET", FLAG, "on||1")
    seconds_until(lab, FLAG, ("on", "1"))
    lab.redis("SET", FLAG, bad)
    lab.redis("SET", RETRIES, "8||1")  # arrives after it
    seconds_until(lab, RETRIES, ("8", "1"))
    assert value(lab, FLAG) == ("on", "1")


def test_a_change_during_a_restart_of_the_sidecar_arrives_and_so_does_the_next(lab):
    control.kill(lab.stack, TASKS, sidecar=True)
    assert wait_until(lambda: call(lab, "GET", "/configuration").json()["subscribed"] is False, 5, 0.05)
    lab.redis("SET", FLAG, "on||5")
    control.restart(lab.stack, TASKS, sidecar=True)
    assert seconds_until(lab, FLAG, ("on", "5")) < 10
    lab.redis("SET", FLAG, "off||6")
    assert seconds_until(lab, FLAG, ("off", "6")) < 1
