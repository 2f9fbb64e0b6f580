"""The official release archives of the pinned Dapr: downloaded, verified and installed, all or nothing."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path

import httpx

from labctl.make import installed
from labctl.make.installed import BINARIES, CLI_VERSION, RUNTIME_VERSION
from labctl.progress import Steps
from labctl.stack import HOME

HOST = "https://github.com"
MIRROR = "LAB_DAPR_RELEASES"  # environment variable: the address of a mirror that has the same paths as github.com
CONNECT_SECONDS = 3.0
SILENT_SECONDS = 10.0  # how long the host may send nothing

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "arm"}


class NotInstalledError(Exception):
    """Why the release archives were not installed: the second half of a sentence, without a full stop."""


@dataclass(frozen=True)
class Archive:
    """The release archive of one program."""

    program: str
    repository: str
    version: str

    @property
    def name(self) -> str:
        """Return the archive's file name for this machine. Raise NotInstalledError when Dapr releases none for it."""
        system, machine = sys.platform, platform.machine().lower()
        if system not in ("linux", "darwin") or machine not in _ARCHITECTURES:
            raise NotInstalledError(f"Dapr releases none for {system} on {machine}")
        return f"{self.program}_{system}_{_ARCHITECTURES[machine]}.tar.gz"

    @property
    def path(self) -> str:
        """Return the archive's path on github.com, or on a mirror of it."""
        return f"/{self.repository}/releases/download/v{self.version}/{self.name}"


ARCHIVES = (
    *(Archive(program, "dapr/dapr", RUNTIME_VERSION) for program in BINARIES),
    Archive("dapr", "dapr/cli", CLI_VERSION),
)


def install(steps: Steps) -> None:
    """Download and verify all archives, then install them. Raise NotInstalledError and leave nothing behind.

    The first archive that fails ends it: a host that does not answer is not asked again.
    """
    host = os.environ.get(MIRROR, HOST).rstrip("/")
    timeout = httpx.Timeout(CONNECT_SECONDS, read=SILENT_SECONDS)
    folder = installed.new(HOME / "download")
    try:
        _resolve(host)
        with httpx.Client(base_url=host, timeout=timeout, follow_redirects=True) as http:
            # All checksums first: an archive that is missing is noticed before the first download.
            checksums = {archive: _checksum(http, archive) for archive in ARCHIVES}
            for archive, checksum in checksums.items():
                file = _download(http, archive, checksum, folder, steps)
                target = folder / "bin" if archive.program == "dapr" else folder / ".dapr" / "bin"
                _extract(file, archive.program, target)
                file.unlink()
        _refuse_other_versions(folder)
        installed.install(folder, "release archives")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotInstalledError(_reason(error, host)) from error
    except OSError as error:
        raise NotInstalledError(str(error)) from error
    finally:
        installed.remove(folder)


def _resolve(host: str) -> None:
    """Raise NotInstalledError when the host's name has no address in time: the system's own limit is up to a minute."""
    name = httpx.URL(host).host
    if urllib.request.getproxies():
        return  # the proxy resolves it
    # A daemon, because nothing can interrupt the system's resolver.
    resolver = threading.Thread(target=_address_of, args=(name,), daemon=True)
    resolver.start()
    resolver.join(CONNECT_SECONDS)
    if resolver.is_alive():
        raise NotInstalledError(f"no name server answers for {name} within {CONNECT_SECONDS:g} s")


def _address_of(name: str) -> None:
    try:
        socket.getaddrinfo(name, 443)
    except OSError:
        return  # the client fails in the same way, and its error has the reason


def _checksum(http: httpx.Client, archive: Archive) -> str:
    answer = http.get(f"{archive.path}.sha256").raise_for_status()
    found = re.match(r"\s*([0-9a-fA-F]{64})\b", answer.text)
    if not found:
        raise NotInstalledError(f"{answer.url} holds no checksum")
    return found[1].lower()


def _download(http: httpx.Client, archive: Archive, checksum: str, folder: Path, steps: Steps) -> Path:
    digest, file = hashlib.sha256(), folder / archive.name
    with http.stream("GET", archive.path) as answer, file.open("wb") as output:
        answer.raise_for_status()
        length = answer.headers.get("content-length")
        what = f"{archive.program} {archive.version}: downloading its release archive"
        with steps.step(what, total=int(length) if length else None) as advance:
            for chunk in answer.iter_raw():
                output.write(chunk)
                digest.update(chunk)
                advance(len(chunk))
    if digest.hexdigest() != checksum:
        raise NotInstalledError(f"{archive.name} does not have the checksum that is published beside it")
    return file


def _extract(file: Path, program: str, target: Path) -> None:
    """Write the archive's one program to the folder. Everything else that an archive may hold stays in it."""
    try:
        with tarfile.open(file, "r:gz") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content and member.name.removeprefix("./") == program:
                    with (target / program).open("wb") as output:
                        shutil.copyfileobj(content, output)
                    (target / program).chmod(0o755)
                    return
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise NotInstalledError(f"{file.name} cannot be unpacked ({error})") from error
    raise NotInstalledError(f"{file.name} holds no {program}")


def _refuse_other_versions(folder: Path) -> None:
    """Raise NotInstalledError when a downloaded program does not run here, or is of another version than its name."""
    for program, pinned in ((folder / ".dapr/bin/daprd", RUNTIME_VERSION), (folder / "bin/dapr", CLI_VERSION)):
        try:
            reported = installed.output([str(program), "--version"])
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotInstalledError(f"the downloaded {program.name} does not run here ({error})") from error
        if pinned not in reported.split():
            raise NotInstalledError(f"the downloaded {program.name} is not {pinned}, but {reported.strip()[:60]!r}")


def _reason(error: httpx.HTTPError | httpx.InvalidURL, host: str) -> str:
    match error:
        case httpx.HTTPStatusError():
            return f"{error.request.url} answers {error.response.status_code}"
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return f"{host} cannot be reached ({error})"
        case httpx.TimeoutException():
            return f"{error.request.url} stays silent"
        case httpx.RemoteProtocolError() | httpx.ReadError():
            return f"the download of {error.request.url} broke off"
        case _:
            return f"{host} cannot be used ({error})"
