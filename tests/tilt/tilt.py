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

# What local_resource was given by name.
Resource = dict[str, Any]


class Tilt:
    """What stands in for Tilt: reads files, takes arguments, records resources."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self.arguments = list(arguments)
        self.folder = folder
        self.positional: str | None = None
        self.resources: dict[str, Resource] = {}

    def local_resource(self, name: str, **given: Any) -> None:
        """Record it; raise ValueError where Tilt refuses it."""
        if name in self.resources:
            raise ValueError(f"Local resource {name} has been defined multiple times")
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

    def define_string_list(self, name: str, args: bool = False, usage: str = "") -> None:
        """Stand for config.define_string_list: with `args`, the list takes the words after `tilt up --`."""
        if args:
            self.positional = name

    def parse(self) -> dict[str, list[str]]:
        """Stand for config.parse: return the given settings. Raise ValueError for arguments that nothing takes."""
        if self.arguments and self.positional is None:
            raise ValueError("positional args were specified, but none were expected")
        return {str(self.positional): self.arguments} if self.arguments else {}


def _integer(port: object) -> int:
    if type(port) is not int:
        raise TypeError(f"got {type(port).__name__}, want int")
    return port


def run(*arguments: str, folder: Path = ROOT) -> dict[str, Resource]:
    """Return the resources that `tilt up -- ARGUMENTS` makes, by name and in order.

    folder: where dapr.yaml lies. Raises starlark.StarlarkError where Tilt shows an error.
    """
    tilt = Tilt(arguments, folder)
    module = starlark.Module()
    names = ("local_resource", "probe", "http_get_action", "tcp_socket_action", "link", "read_yaml")
    for name in names:
        module.add_callable(name, getattr(tilt, name))
    # Tilt's `config` is a module; Starlark's struct stands in for it.
    for name in ("define_string_list", "parse"):
        module.add_callable(f"_config_{name}", getattr(tilt, name))
    prelude = "config = struct(define_string_list=_config_define_string_list, parse=_config_parse)"
    builtins = starlark.Globals.extended_by([starlark.LibraryExtension.StructType])
    dialect = starlark.Dialect.standard()
    dialect.enable_top_level_stmt = True  # Tilt allows `if` and `for` outside of a function
    for filename, source in (("prelude", prelude), (str(TILTFILE), TILTFILE.read_text())):
        starlark.eval(module, starlark.parse(filename, source, dialect), builtins)
    return tilt.resources
