"""Dapr's release archives, from a mirror with github.com's paths: installed whole, or not at all and then built."""

from __future__ import annotations

import io
import re
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from rich.console import Console

from labctl.make import build, installed, releases, runtime
from labctl.make.releases import ARCHIVES
from labctl.progress import Steps
from labctl.stack import ROOT
from labctl.up.processes import wait_until
from tests.labctl.mirror import Mirror, packed, program, published, running

BY_PROGRAM = {archive.program: archive for archive in ARCHIVES}
SCHEDULER = BY_PROGRAM["scheduler"]
CHECKSUM, FIRST = f"{SCHEDULER.path}.sha256", f"{ARCHIVES[0].path}.sha256"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty LAB_HOME; nothing in the environment leads elsewhere."""
    for module in (releases, build):
        monkeypatch.setattr(module, "HOME", tmp_path)
    monkeypatch.setattr(installed, "OWN", tmp_path / "runtime")
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    mirror = Mirror()
    with running(mirror) as address:
        monkeypatch.setenv(releases.MIRROR, address)
        yield mirror


@pytest.fixture
def builds(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Stands in for the build, which takes minutes: the names in LAB_HOME each time that it was entered."""
    entered: list[list[str]] = []

    def build_(_: Steps) -> None:
        entered.append(sorted(path.name for path in home.iterdir()))
        installed.install(installed.new(home / "built"), "built from source")

    monkeypatch.setattr(build, "build", build_)
    return entered


def ensure(**options: bool) -> str:
    """Make the runtime, and return the output for the user."""
    output = io.StringIO()
    runtime.ensure(Steps(Console(file=output, width=500)), own=True, **options)
    return output.getvalue()


def test_good_archives_are_installed_in_the_layout_of_a_build(home: Path, mirror: Mirror, builds: list[list[str]]):
    (home / "download").mkdir()  # as a killed download leaves it
    (home / "download" / SCHEDULER.name).write_text("half an arch")
    output = ensure()
    found = runtime.pinned()
    assert found
    assert (found.origin, found.version()) == ("release archives", installed.RUNTIME_VERSION)
    for path in (*map(found.binary, installed.BINARIES), found.cli):
        assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert (found.path / ".dapr/config.yaml").exists()
    assert (found.path / ".dapr/components").is_dir()
    assert sorted(path.name for path in home.iterdir()) == ["runtime", "runtime.lock"]
    assert output.count("downloading its release archive") == 2 * len(ARCHIVES)  # where each begins, and where it ends
    assert builds == []


def test_what_is_installed_is_neither_downloaded_again_nor_kept_by_a_build(mirror: Mirror, builds: list[list[str]]):
    ensure()
    asked = len(mirror.asked)
    ensure()
    assert (len(mirror.asked), builds) == (asked, [])
    ensure(from_source=True)
    ensure(from_source=True)
    assert (len(mirror.asked), len(builds)) == (asked, 1)
    assert installed.origin() == "built from source"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({CHECKSUM: b"0" * 64}, r"scheduler_\w+\.tar\.gz does not have the checksum that is published beside it"),
        ({CHECKSUM: b"<html>Log in to this network first</html>"}, r"http\S+/scheduler_\S+\.sha256 holds no checksum"),
        ({SCHEDULER.path: Mirror.cut_off}, r"the download of http\S+/scheduler_\w+\.tar\.gz broke off"),
        ({SCHEDULER.path: Mirror.stall}, r"http\S+/scheduler_\w+\.tar\.gz stays silent"),
        ({FIRST: Mirror.be_without}, r"http\S+/daprd_\w+\.tar\.gz\.sha256 answers 404"),
        ({FIRST: Mirror.be_silent}, r"http\S+/daprd_\w+\.tar\.gz\.sha256 stays silent"),
        (published(SCHEDULER, b"\x1f\x8b but no archive"), r"scheduler_\w+\.tar\.gz cannot be unpacked \(.+\)"),
        (published(SCHEDULER, packed("placement", content=b"")), r"scheduler_\w+\.tar\.gz holds no scheduler"),
        (
            published(BY_PROGRAM["daprd"], packed("daprd", content=program("1.0.0"))),
            rf"the downloaded daprd is not {installed.RUNTIME_VERSION}, but '1\.0\.0'",
        ),
        (
            published(BY_PROGRAM["dapr"], packed("dapr", content=b"\x7fELF of another machine")),
            r"the downloaded dapr does not run here \(.+\)",
        ),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_then_a_build(
    mirror: Mirror,
    builds: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    broken: dict[str, Any],
    reason: str,
):
    monkeypatch.setattr(releases, "SILENT_SECONDS", 0.3)
    mirror.answers |= broken
    said = [line for line in ensure().splitlines() if "not installed" in line]
    assert len(said) == 1
    sentence = "Dapr's release archives were not installed, because"
    assert re.fullmatch(rf"{sentence} {reason}\. Building from source instead …", said[0])
    assert builds == [["runtime.lock"]], "nothing is half-installed when the build begins"
    assert (mirror.asked == [FIRST]) == callable(broken.get(FIRST)), "a host that does not answer is not asked again"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:1", r"http://127\.0\.0\.1:1 cannot be reached \(.+\)"),
        ("http://nobody.invalid", r"http://nobody\.invalid cannot be reached \(.+\)"),
        ("nonsense", r"nonsense cannot be used \(.+\)"),
    ],
)
def test_a_host_that_cannot_be_reached_costs_no_time(
    builds: list[list[str]], monkeypatch: pytest.MonkeyPatch, address: str, reason: str
):
    monkeypatch.setenv(releases.MIRROR, address)
    begin = time.monotonic()
    output = ensure()
    assert time.monotonic() - begin < 2 * releases.CONNECT_SECONDS
    assert re.search(rf"because {reason}\. Building from source", output)
    assert len(builds) == 1


def test_only_the_one_program_leaves_an_archive(home: Path, mirror: Mirror, builds: list[list[str]]):
    names = ("../escaped", "/tmp/escaped", "LICENSE", "./scheduler")
    mirror.answers |= published(SCHEDULER, packed(*names, content=program(SCHEDULER.version)))
    ensure()
    assert sorted(path.name for path in (home / "runtime/.dapr/bin").iterdir()) == sorted(installed.BINARIES)
    assert not list(home.rglob("*escaped*"))
    assert not Path("/tmp/escaped").exists()


def test_a_failed_download_leaves_an_earlier_runtime_in_place(home: Path, mirror: Mirror):
    installed.install(installed.new(home / "earlier"), "release archives")
    (installed.OWN / "made-from.txt").write_text("other pins\n")
    mirror.answers[SCHEDULER.path] = Mirror.cut_off
    with pytest.raises(releases.NotInstalledError):
        releases.install(Steps(Console(quiet=True)))
    assert (installed.OWN / "made-from.txt").read_text() == "other pins\n"


@pytest.mark.parametrize(("system", "machine"), [("linux", "riscv64"), ("freebsd14", "amd64")])
def test_a_machine_without_archives_builds(
    builds: list[list[str]], mirror: Mirror, monkeypatch: pytest.MonkeyPatch, system: str, machine: str
):
    monkeypatch.setattr(releases.sys, "platform", system)
    monkeypatch.setattr(releases.platform, "machine", lambda: machine)
    assert f"because Dapr releases none for {system} on {machine}. Building" in ensure()
    assert (len(builds), mirror.asked) == (1, [])


@pytest.mark.parametrize(
    ("system", "machine", "target"),
    [("linux", "x86_64", "linux_amd64"), ("linux", "aarch64", "linux_arm64"), ("darwin", "arm64", "darwin_arm64")],
)
def test_an_archives_address_is_that_of_daprs_releases(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, target: str
):
    monkeypatch.setattr(releases.sys, "platform", system)
    monkeypatch.setattr(releases.platform, "machine", lambda: machine)
    runtime_path = f"/dapr/dapr/releases/download/v{installed.RUNTIME_VERSION}/daprd_{target}.tar.gz"
    cli_path = f"/dapr/cli/releases/download/v{installed.CLI_VERSION}/dapr_{target}.tar.gz"
    assert [BY_PROGRAM[name].path for name in ("daprd", "dapr")] == [runtime_path, cli_path]


def test_the_versions_are_those_of_the_go_modules():
    for version, module, file in (
        (installed.RUNTIME_VERSION, "github.com/dapr/dapr", "runtime/go.mod"),
        (installed.CLI_VERSION, "github.com/dapr/cli", "runtime/cli/go.mod"),
    ):
        assert set(re.findall(rf"{module} v(\S+)", (ROOT / file).read_text())) == {version}


def test_a_list_of_components_that_changes_under_a_build_is_built_next_time(home: Path, monkeypatch) -> None:
    folder = installed.new(home / "built")
    monkeypatch.setattr(installed, "pins", lambda: "others")
    installed.install(folder, "built from source")
    assert "others" not in installed.made_from()
    assert installed.origin() == "built from source"


def test_who_waits_for_another_build_says_so(home: Path) -> None:
    output, entered = io.StringIO(), threading.Event()

    def enter() -> None:
        with build.alone(Steps(Console(file=output))):
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        with FileLock(home / "runtime.lock"):
            pool.submit(enter)
            assert wait_until(lambda: "Another ./lab is building programs." in output.getvalue(), 10)
            assert not entered.is_set()
        assert entered.wait(10)
