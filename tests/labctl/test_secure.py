"""Secure mode without a runtime: what its wrapper of daprd adds, and which files it writes."""

from __future__ import annotations

import os
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from labctl import stack
from labctl.make.runtime import Runtime
from labctl.runfile import find, read_apps
from labctl.stack import Stack
from labctl.up import infrastructure, secure

MINE = Stack("doors", secure=True)


@pytest.fixture
def wrapper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wrapper of a daprd that prints its words and its environment, in a folder with an odd name."""
    home = tmp_path / "it's $HOME [x]"
    monkeypatch.setattr(stack, "HOME", home)
    runtime = Runtime("fake", home / "dapr", home)
    runtime.binary("daprd").parent.mkdir(parents=True)
    (home / ".dapr" / "config.yaml").touch()
    runtime.binary("daprd").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nenv\n')
    runtime.binary("daprd").chmod(0o755)
    infrastructure.credentials(MINE).mkdir(parents=True)
    (infrastructure.credentials(MINE) / "ca.crt").write_text("ANCHOR")
    secure.make_secrets(MINE, read_apps(MINE))
    return Path(secure.environment(MINE, runtime)["DAPR_RUNTIME_PATH"]) / ".dapr" / "bin" / "daprd"


def start(wrapper: Path, *words: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DAPR_", "APP_"))}
    return subprocess.run([wrapper, *words], env=environment, text=True, capture_output=True, check=True).stdout.split(
        "\n"
    )


def test_a_sidecar_gets_its_tokens_its_doors_and_a_certificate(wrapper: Path) -> None:
    said = start(wrapper, "--config", "a b.yaml", "--app-id", "callee-app")
    assert said[:4] == ["--config", "a b.yaml", "--app-id", "callee-app"]
    configurations = [after for word, after in pairwise(said) if word == "--config"]
    assert configurations == ["a b.yaml", *(str(secure.DOORS / f"{name}.yaml") for name in ("default", "callee-app"))]
    assert "--enable-mtls" in said
    mine = secure.tokens(MINE, "callee-app")
    assert {"DAPR_TRUST_ANCHORS=ANCHOR", *(f"{name}={value}" for name, value in mine.items())} <= set(said)
    others = start(wrapper, "--app-id", "caller-app")
    assert [word for word in others if word.startswith(str(secure.DOORS)) and word.endswith(".yaml")] == [
        str(secure.DOORS / f"{name}.yaml") for name in ("default", "caller-app")
    ]


def test_a_sidecar_of_an_unknown_app_does_not_start(wrapper: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        start(wrapper, "--app-id", "nobody")


def test_the_cli_may_ask_for_the_version(wrapper: Path) -> None:
    assert start(wrapper, "--version")[0] == "--version"
    assert "--enable-mtls" not in start(wrapper, "--version")


def test_each_app_has_tokens_of_its_own(wrapper: Path) -> None:
    apps = read_apps(MINE)
    values = [value for app in apps for value in secure.tokens(MINE, app.app_id).values()]
    assert len(set(values)) == len(values) == 2 * len(apps)
    caller = secure.with_tokens(MINE, find(apps, "caller-app"))
    assert caller.entry["env"].items() >= secure.tokens(MINE, "caller-app").items()
    assert secure.header(MINE, "caller-app") == {"dapr-api-token": caller.entry["env"]["APP_API_TOKEN"]}
    assert secure.tokens(Stack("doors"), "caller-app") == secure.header(Stack("doors"), "caller-app") == {}


def test_a_command_line_has_no_password(wrapper: Path) -> None:
    config = infrastructure.redis_config(MINE)
    password = config.read_text().split()[1]
    command = infrastructure.command(MINE, "redis", Runtime("fake", wrapper, wrapper))
    assert str(config) in command
    assert password not in " ".join(command)
    assert [one.name for one in (config.parent, *config.parent.iterdir()) if one.stat().st_mode & 0o077] == []
