"""Runs the Tiltfile in a Starlark interpreter, with Tilt's own functions recorded instead of carried out.

Tilt itself cannot be had on the machines these tests are made for. Each function here takes what Tilt's takes
(tilt-dev/tilt, internal/tiltfile/api). The tests compare all that a resource was given, by Tilt's names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import starlark
import yaml

ROOT = Path(__file__).resolve().parents[2]
TILTFILE = ROOT / "Tiltfile"

# What a function of Tilt was given by name.
Resource = dict[str, Any]

# The arguments that Tilt's functions take by name, where these tests record all of them.
TAKEN = {
    "local_resource": "cmd deps trigger_mode resource_deps ignore auto_init serve_cmd cmd_bat serve_cmd_bat "
    "allow_parallel links labels env serve_env readiness_probe dir serve_dir",
    "k8s_resource": "new_name port_forwards extra_pod_selectors trigger_mode resource_deps objects auto_init "
    "pod_readiness links labels discovery_strategy",
    "docker_build": "build_args dockerfile dockerfile_contents live_update match_in_env_vars ignore only entrypoint "
    "container_args target ssh secret network extra_tag cache_from pull platform extra_hosts",
}

FUNCTIONS = (
    *("local_resource", "probe", "http_get_action", "tcp_socket_action", "link", "read_yaml", "read_file"),
    *("k8s_yaml", "kustomize", "k8s_resource", "port_forward", "docker_build", "fall_back_on", "sync"),
)
CONFIG = ("define_string", "define_string_list", "parse", "set_enabled_resources")


class Blob:
    """What Tilt's read_file returns: no string, until `str` makes it one."""

    def __init__(self, text: str) -> None:
        self.text = text


class Tilt:
    """What stands in for Tilt: reads files, takes arguments, records resources."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self.arguments = list(arguments)
        self.folder = folder
        self.positional: str | None = None
        self.options: list[str] = []
        self.resources: dict[str, Resource] = {}
        self.builds: dict[str, Resource] = {}
        self.overlays: list[str] = []
        self.enabled: list[str] | None = None

    def local_resource(self, name: str, **given: Any) -> None:
        """Record it; raise ValueError where Tilt refuses it."""
        self._record("local_resource", name, given)

    def k8s_resource(self, workload: str, **given: Any) -> None:
        """Record the settings of a workload in the cluster."""
        self._record("k8s_resource", workload, given)

    def docker_build(self, ref: str, context: str, **given: Any) -> None:
        """Record the build of an image; raise ValueError where Tilt refuses it."""
        _check("docker_build", given)
        if ref in self.builds:
            raise ValueError(f"Image for ref {ref!r} has already been defined")
        self.builds[ref] = given | {"context": context}

    def fall_back_on(self, paths: str) -> dict[str, str]:
        """Return a step of a live update: this file needs a whole build."""
        return {"fall_back_on": paths}

    def sync(self, local_path: str, remote_path: str) -> dict[str, list[str]]:
        """Return a step of a live update: copy changed files of a folder."""
        return {"sync": [local_path, remote_path]}

    def port_forward(self, local_port: int, container_port: int, name: str, link_path: str = "") -> dict[str, Any]:
        """Return a port of this machine that leads to one of a pod; both have to be ints, as in Tilt."""
        path = {"link_path": link_path} if link_path else {}
        return {"ports": [_integer(local_port), _integer(container_port)], "name": name} | path

    def kustomize(self, paths: str) -> dict[str, str]:
        """Return what stands for the objects of an overlay."""
        return {"kustomize": paths}

    def k8s_yaml(self, yaml: dict[str, str]) -> None:
        """Record which overlay is applied."""
        self.overlays.append(yaml["kustomize"])

    def set_enabled_resources(self, resources: list[str]) -> None:
        """Stand for config.set_enabled_resources: these and their dependencies run, and no other."""
        self.enabled = resources

    def running(self) -> list[str]:
        """Return the resources that run, in order. Raise KeyError for an enabled one that is unknown."""
        names = list(self.resources if self.enabled is None else self.enabled)
        for name in names:
            names += [one for one in self.resources[name].get("resource_deps", []) if one not in names]
        return [name for name in self.resources if name in names]

    def _record(self, function: str, name: str, given: Resource) -> None:
        _check(function, given)
        if name in self.resources:
            raise ValueError(f"{function}: {name} has been defined multiple times")
        self.resources[name] = given

    def probe(self, **given: Any) -> dict[str, Any]:
        """Return a probe."""
        return given

    def http_get_action(self, port: int, path: str = "") -> dict[str, Any]:
        """Return a GET request; the port has to be an int, as in Tilt."""
        return {"port": _integer(port), "path": path}

    def tcp_socket_action(self, port: int) -> dict[str, Any]:
        """Return a connection; the port has to be an int, as in Tilt."""
        return {"port": _integer(port)}

    def link(self, url: str, name: str) -> dict[str, str]:
        """Return a link of the web page."""
        return {"url": url, "name": name}

    def read_yaml(self, path: str) -> Any:
        """Return a file's one document, its numbers as floats: Tilt reads YAML with Go's JSON decoder."""
        document = yaml.safe_load((self.folder / path).read_text())
        return json.loads(json.dumps(document), parse_int=float)

    def read_file(self, file_path: str) -> starlark.OpaquePythonObject:
        """Return a file's contents as Tilt does: not yet as a string."""
        return starlark.OpaquePythonObject(Blob((self.folder / file_path).read_text()))

    def to_string(self, value: object) -> str:
        """Stand for Starlark's `str`, which knows no blobs."""
        return value.text if isinstance(value, Blob) else str(value)

    def define_string(self, name: str, args: bool = False, usage: str = "") -> None:
        """Stand for config.define_string: an option after `tilt up --`."""
        assert not args, "the words without an option are the labs"
        self.options.append(name)

    def define_string_list(self, name: str, args: bool = False, usage: str = "") -> None:
        """Stand for config.define_string_list: with `args`, the list takes the words after `tilt up --`."""
        if args:
            self.positional = name

    def parse(self) -> dict[str, Any]:
        """Stand for config.parse: return the given settings. Raise ValueError for arguments that nothing takes."""
        settings: dict[str, Any] = {}
        words = iter(self.arguments)
        for word in words:
            if word.startswith("--"):
                name, _, value = word[2:].partition("=")
                if name not in self.options:
                    raise ValueError(f"unknown flag: --{name}")
                settings[name] = value or next(words)
            elif self.positional is None:
                raise ValueError("positional args were specified, but none were expected")
            else:
                settings.setdefault(self.positional, []).append(word)
        return settings


def _check(function: str, given: Resource) -> None:
    if unknown := given.keys() - set(TAKEN[function].split()):
        raise TypeError(f"{function}: unexpected keyword arguments {sorted(unknown)}")


def _integer(port: object) -> int:
    if type(port) is not int:
        raise TypeError(f"got {type(port).__name__}, want int")
    return port


def run(*arguments: str, folder: Path = ROOT) -> dict[str, Resource]:
    """Return the resources that `tilt up -- ARGUMENTS` makes, by name and in order.

    folder: where dapr.yaml lies. Raises starlark.StarlarkError where Tilt shows an error.
    """
    return load(*arguments, folder=folder).resources


def load(*arguments: str, folder: Path = ROOT) -> Tilt:
    """Return all that the Tiltfile said to Tilt; otherwise as `run`."""
    tilt = Tilt(arguments, folder)
    module = starlark.Module()
    for name in FUNCTIONS:
        module.add_callable(name, getattr(tilt, name))
    module.add_callable("str", tilt.to_string)
    # Tilt's `config` is a module; Starlark's struct stands in for it.
    for name in CONFIG:
        module.add_callable(f"_config_{name}", getattr(tilt, name))
    prelude = f"config = struct({', '.join(f'{name}=_config_{name}' for name in CONFIG)})"
    builtins = starlark.Globals.extended_by([starlark.LibraryExtension.StructType])
    dialect = starlark.Dialect.standard()
    dialect.enable_top_level_stmt = True  # Tilt allows `if` and `for` outside of a function
    for filename, source in (("prelude", prelude), (str(TILTFILE), TILTFILE.read_text())):
        starlark.eval(module, starlark.parse(filename, source, dialect), builtins)
    return tilt
