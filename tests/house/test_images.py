"""Every Dockerfile: a base that can be exchanged, no root, its health reported, nothing of development in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.repository import named, text

DOCKERFILES = named("Dockerfile")


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return a Dockerfile's instructions in order, as (name, rest)."""
    joined = re.sub(r"^\s*#.*\n", "", text(dockerfile), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(None, 1)[0].upper(), line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=str)
def test_an_images_base_is_an_argument(dockerfile: Path) -> None:
    steps = instructions(dockerfile)
    bases = [rest.split()[0] for name, rest in steps if name == "FROM"]
    argument, default = steps[0][1].split("=", 1)
    assert steps[0][0] == "ARG"
    assert bases[0] in (f"${argument}", f"${{{argument}}}")
    assert re.fullmatch(r"python:3\.1[1-4]-slim(-\w+)?", default)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=str)
def test_an_image_does_not_run_as_root(dockerfile: Path) -> None:
    users = [rest.split(":")[0].strip() for name, rest in instructions(dockerfile) if name == "USER"]
    assert users
    assert users[-1] not in ("root", "0")


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=str)
def test_an_image_tells_its_health(dockerfile: Path) -> None:
    assert [rest for name, rest in instructions(dockerfile) if name == "HEALTHCHECK" and rest.strip() != "NONE"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=str)
def test_an_image_holds_no_development_file(dockerfile: Path) -> None:
    assert "requirements-dev" not in text(dockerfile)
    assert "--require-hashes" in text(dockerfile)
    ignored = {line.strip().strip("/") for line in text(dockerfile.parent / ".dockerignore").splitlines()}
    # Either all is kept out and some let in again, or these are named.
    assert "*" in ignored or {".venv", "tests", "requirements-dev.txt", "kubernetes", ".dapr"} <= ignored


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=str)
def test_what_an_image_copies_is_let_in(dockerfile: Path) -> None:
    """Otherwise the build fails at that step."""
    sources = [source for name, rest in instructions(dockerfile) if name == "COPY" for source in rest.split()[:-1]]
    let_in = {
        line[1:].removesuffix("/**")
        for line in text(dockerfile.parent / ".dockerignore").splitlines()
        if line[:1] == "!"
    }
    assert set(sources) == let_in
