"""compose.yaml without Docker: the containers of a lab start, are healthy, answer and end."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from labctl.make.images import Image, image_name
from tests.house.repository import ROOT, apps
from tests.house.test_compose import LABS, SERVICES
from tests.runtime.images.conftest import built, mounted
from tests.runtime.images.containers import containers

PROFILES = [
    pytest.param(lab, marks=[pytest.mark.lab(lab), *([] if lab == "invocation" else [pytest.mark.full])])
    for lab in LABS
]
ENDED = {0, -signal.SIGTERM, 128 + signal.SIGTERM}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_starts_is_healthy_and_ends(profile: str, base: str, tmp_path: Path) -> None:
    needed = {service["image"] for service in SERVICES.values() if profile in service["profiles"]}
    folders = {image_name(ROOT / app["appDirPath"]): ROOT / app["appDirPath"] for app in apps()}
    with ExitStack() as stack:
        images = {name: stack.enter_context(built(folders[name], base)) for name in sorted(needed & set(folders))}
        python = stack.enter_context(mounted(Image(base, "", 0)))
        lab = stack.enter_context(containers(images, python, tmp_path))
        lab.up(profile)
        if profile == "invocation":
            for via, greeter in {"url": "callee-app", "grpc": "callee-grpc-app"}.items():
                answer = json.loads(lab.get(f"http://localhost:8002/call-greet/Ada?via={via}"))
                assert answer["message"] == f"Hello, Ada from {greeter}!"
        codes = lab.down()
    assert {name: code for name, code in codes.items() if code not in ENDED} == {}
