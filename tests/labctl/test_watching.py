"""What starts again what ended by itself: not without end, and not what is just being ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl import lifecycle, runfile, watching
from labctl.errors import LabError
from labctl.site import Site
from labctl.watching import AGAIN_AT_MOST, Part, watch

SIDECAR = Part("sidecar", "callee-app")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(Site, "state", tmp_path)
    monkeypatch.setattr(watching, "LOOK_EVERY", 0)
    return Site("watched", 16000)


def test_what_does_not_stay_up_is_given_up(site, monkeypatch):
    monkeypatch.setattr(watching, "missing", lambda *_: [SIDECAR])
    monkeypatch.setattr(lifecycle, "restart", lambda *_, **__: 0.1)
    apps, said = runfile.select(runfile.read_apps(site), ["invocation"]), []
    with pytest.raises(LabError, match="callee-app's sidecar ended by itself for the 6th time"):
        watch(site, apps, said.append)
    assert sum("is ready again" in line for line in said) == AGAIN_AT_MOST


@pytest.mark.parametrize("name", ["down", "callee-app"])
def test_what_was_ended_on_purpose_is_left_alone(site, monkeypatch, name):
    looks = iter(range(3))

    def missing(*_):
        if next(looks, None) is None:
            lifecycle.intent(site, "down").touch()
        return [SIDECAR]

    monkeypatch.setattr(watching, "missing", missing)
    lifecycle.intent(site, name).parent.mkdir()
    lifecycle.intent(site, name).touch()
    watch(site, runfile.select(runfile.read_apps(site), ["invocation"]), pytest.fail)
