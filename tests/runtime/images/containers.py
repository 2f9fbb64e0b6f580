"""Run the containers of compose.yaml without Docker: their commands, mounts, users and rights, in one private network.

The images of Redis and Dapr are in a registry, so their programs run in the base image of these tests.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from labctl.make import redis_server
from labctl.make.runtime import pinned
from labctl.stack import ROOT
from labctl.up.processes import wait_until
from tests.house.repository import seconds
from tests.house.test_compose import SERVICES, words
from tests.runtime.images.conftest import NO_RIGHTS, Built

REDIS_USER, DAPR_USER = "999", "65532"  # as in their images
HEALTHY_WITHIN = 90
# In place of redis-cli, which the Redis of the tests does not have.
PING = r"""
import socket
redis = socket.create_connection(("127.0.0.1", 6379))
redis.send(b"PING\r\n")
assert redis.recv(9).startswith(b"+PONG")
"""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Containers:
    """The services of a profile: images by name, the folder of volumes and logs, the process that holds the network."""

    images: Mapping[str, Built]
    base: Built
    folder: Path
    network: subprocess.Popen[bytes]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, subprocess.Popen[bytes]])

    def up(self, profile: str) -> None:
        """Start the services of a profile, and wait until each that has a health check is healthy."""
        chosen = [name for name, service in SERVICES.items() if profile in service["profiles"] and name != "network"]
        for name in chosen:
            self._start(name)
        for name in chosen:
            if "healthcheck" in SERVICES[name]:
                self._wait(name, "service_healthy")
        # `setup` has ended well, or a sidecar would not have been started.
        for name, process in self.running.items():
            assert name == "setup" or process.poll() is None, f"{name} has ended: {self.log(name)}"

    def down(self) -> dict[str, int]:
        """Stop the services, the last started first. Return the exit codes. Raise TimeoutExpired if one is too slow."""
        codes: dict[str, int] = {}
        for name in [*self.running][::-1]:
            process = self.running.pop(name)
            process.terminate()
            try:
                codes[name] = process.wait(seconds(SERVICES[name]["stop_grace_period"]))
            finally:
                process.kill()
        return codes

    def get(self, url: str) -> str:
        """Return the answer to a GET request from within the network."""
        command = [*self._enter(), "curl", "--silent", "--max-time", "30", url]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def log(self, name: str) -> str:
        """Return the output of a service."""
        return (self.folder / f"{name}.log").read_text()

    def _start(self, name: str) -> None:
        """Start a service, and before it those on which it depends."""
        if name in self.running:
            return
        service, image = SERVICES[name], self._image(name)
        depends_on = service.get("depends_on", {})
        for other in depends_on:
            self._start(other)
            if isinstance(depends_on, dict):
                self._wait(other, depends_on[other]["condition"])
        own = words(service.get("entrypoint", [])) + words(service.get("command", image.config["Cmd"]))
        command = image.command(
            own,
            [*image.config["Env"], *(f"{key}={value}" for key, value in service.get("environment", {}).items())],
            folder=service.get("working_dir", ""),
            user=self._user(name),
            rights=",".join([NO_RIGHTS, *(f"+{one.lower()}" for one in service.get("cap_add", []))]),
            mounts=[*self._volumes(name), *self._program(name, own[0])],
        )
        with (self.folder / f"{name}.log").open("wb") as log:
            # With nothing of the environment of the tests.
            process = subprocess.Popen([*self._enter(), *command], env={"PATH": PATH}, stdout=log, stderr=log)
        self.running[name] = process

    def _wait(self, name: str, condition: str) -> None:
        process = self.running[name]
        if condition == "service_completed_successfully":
            assert process.wait(HEALTHY_WITHIN) == 0, self.log(name)
        elif condition == "service_healthy":
            ended = f"{name} is not healthy: "
            assert wait_until(lambda: self._is_healthy(name) or process.poll() is not None, HEALTHY_WITHIN), (
                ended + self.log(name)
            )
            assert process.poll() is None, ended + self.log(name)

    def _is_healthy(self, name: str) -> bool:
        if name == "redis":
            return subprocess.run([*self._enter(), sys.executable, "-c", PING], check=False).returncode == 0
        check = SERVICES[name]["healthcheck"]["test"][1:]
        return self._image(name).inside(self.running[name].pid, *check).returncode == 0

    def _enter(self) -> list[str]:
        return ["nsenter", "--target", str(self.network.pid), "--net"]

    def _image(self, name: str) -> Built:
        return self.images.get(SERVICES[name]["image"], self.base)

    def _user(self, name: str) -> str:
        if SERVICES[name]["image"].startswith("daprio/"):
            return DAPR_USER
        return REDIS_USER if SERVICES[name].get("user") == "redis" else ""

    def _volumes(self, name: str) -> list[str]:
        # Docker gives each container its own.
        mounts = ["/etc/hosts:/etc/hosts:ro", *(f"tmpfs:{path}" for path in [SERVICES[name].get("tmpfs")] if path)]
        for mount in SERVICES[name].get("volumes", []):
            source, place = mount.split(":", 1)
            path = (ROOT if source.startswith(".") else self.folder) / source
            if not path.exists():
                path.mkdir()
                if name == "redis":
                    # Docker gives a new volume to the owner of the folder that the image has there.
                    shutil.chown(path, int(REDIS_USER), int(REDIS_USER))
            mounts.append(f"{path}:{place}")
        return mounts

    def _program(self, name: str, path: str) -> list[str]:
        """Return the mount by which the base image has the program of an image in a registry."""
        if name == "redis":
            return [f"{redis_server.fetch()}:/usr/bin/{path}:ro"]  # that of a package needs the libraries of its system
        if not SERVICES[name]["image"].startswith("daprio/"):
            return []
        runtime = pinned()
        assert runtime
        return [f"{runtime.binary(Path(path).name)}:{path}:ro"]


@contextmanager
def containers(images: Mapping[str, Built], base: Built, folder: Path) -> Iterator[Containers]:
    """Hold a network that has only a loopback while the block runs. End what the block has left running."""
    network = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && exec sleep infinity"])
    running = Containers(images, base, folder, network)
    # Before, a container would be in the network of this machine.
    is_made = wait_until(lambda: Path(f"/proc/{network.pid}/comm").read_text() == "sleep\n", 30)
    try:
        assert is_made, "no private network"
        yield running
    finally:
        for process in [*running.running.values(), network]:
            process.kill()
            process.wait()
