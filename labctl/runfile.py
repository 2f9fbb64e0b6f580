"""Read dapr.yaml, and write the filtered or shifted copies that `dapr run -f` gets."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from labctl import files
from labctl.errors import LabError
from labctl.stack import BROKER_PORTS, ROOT, Stack

RUN_FILE = ROOT / "dapr.yaml"
VARIANTS = ROOT / "variants"
ZIPKIN = 9411
CONSOLE = 8100
_NO_PASSWORD = 'name: redisPassword\n      value: ""'
# Where the mails and webhooks of task-api go: those of tests must not reach a user's own servers.
MAIL, WEBHOOK = 1125, 1126
# A sidecar that took its app for unhealthy may stop to read its topics for good (docs/dapr-faults.md). An app with jobs
# keeps the check, because its jobs wait for it only then.
NO_HEALTH_CHECK_ON_KAFKA = ("pizza-order", "notification-service")
PORT_KEYS = ("appPort", "daprHTTPPort", "daprGRPCPort", "daprInternalGRPCPort", "metricsPort")


@dataclass(frozen=True)
class App:
    """One entry of dapr.yaml with the ports that it has in a stack."""

    app_id: str
    lab: str
    folder: Path
    protocol: str
    app_port: int
    http_port: int
    grpc_port: int
    internal_port: int
    metrics_port: int
    entry: dict[str, Any] = field(repr=False, compare=False)

    @property
    def ports(self) -> dict[str, int]:
        """Its five ports, named as a reader would."""
        ports = {
            "app": self.app_port,
            "Dapr HTTP": self.http_port,
            "Dapr gRPC": self.grpc_port,
            "internal gRPC": self.internal_port,
            "metrics": self.metrics_port,
        }
        return {label: port for label, port in ports.items() if port}

    @property
    def url(self) -> str:
        """Where a user reaches the app."""
        scheme = "grpc" if self.protocol == "grpc" else "http"
        return f"{scheme}://localhost:{self.app_port}"


def read_apps(stack: Stack, run_file: Path = RUN_FILE) -> list[App]:
    """Return all apps of the run file, in its order, with the stack's ports."""
    document = read_yaml(run_file)[0]
    apps: list[App] = []
    for entry in document["apps"]:
        # A sidecar without an app has no app port.
        ports = [_port(entry, key, stack.offset) for key in PORT_KEYS]
        folder = (run_file.parent / entry["appDirPath"]).resolve()
        apps.append(
            App(entry["appID"], entry["env"]["LAB"], folder, entry.get("appProtocol", "http"), *ports, entry=entry)
        )
    return apps


def _port(entry: dict[str, Any], key: str, offset: int) -> int:
    if not str(entry.get(key, 0)).isdecimal():
        raise LabError(
            f"Mend dapr.yaml and run this again. {entry['appID']} has {key} {entry[key]!r}, which is no port."
        )
    return int(entry[key]) + offset if key in entry else 0


def read_yaml(file: Path) -> list[Any]:
    """Return the documents of a file. Raise LabError when it is no YAML."""
    try:
        # The loader in C takes 4 ms for dapr.yaml, the one in Python 33, and some commands read it often.
        return list(yaml.load_all(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise LabError(f"Mend {short(file)}{where} and run this again. It is no YAML: {error.problem}.") from error


def short(path: Path) -> str:
    """Return a path as the user writes it in the root folder."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def labs(apps: Iterable[App]) -> list[str]:
    """Return the names of the labs, in the order of the run file."""
    return list(dict.fromkeys(app.lab for app in apps))


def select(apps: Sequence[App], wanted: Sequence[str]) -> list[App]:
    """Return the apps of the wanted labs and those that they need, or all apps when none is named.

    Raise LabError for an unknown lab.
    """
    known = labs(apps)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise LabError(no_lab(unknown[0], known))
    needed = {app_id for app in apps if app.lab in wanted for app_id in app.entry["env"].get("NEEDS", "").split()}
    return [app for app in apps if not wanted or app.lab in wanted or app.app_id in needed]


def no_lab(name: str, known: Iterable[str]) -> str:
    """Return the sentence for a name that is no lab."""
    return f"There is no lab {name!r}. The labs are: {', '.join(known)}."


def find(apps: Sequence[App], app_id: str) -> App:
    """Return the app with that id. Raise LabError when there is none."""
    for app in apps:
        if app.app_id == app_id:
            return app
    raise LabError(f"There is no app {app_id!r}. The apps are: {', '.join(app.app_id for app in apps)}.")


def write_copy(
    stack: Stack,
    apps: Sequence[App],
    *,
    name: str = "dapr.yaml",
    resources: Sequence[Path] = (),
    without_app: bool = False,
    env: dict[str, str] | None = None,
) -> Path:
    """Write a run file of these apps, on the stack's ports, into the stack's folder. Return its path.

    resources: folders whose files replace those of the same name in components/.
    without_app: sidecars only. env: added to every app's environment.
    """
    document = read_yaml(RUN_FILE)[0]
    common = document["common"]
    common["configFilePath"] = str(stack_config(stack))
    variant = [VARIANTS / stack.components] if stack.components else []
    folders = [RUN_FILE.parent / "components", *variant, *resources]
    common["resourcesPaths"] = [str(stack_resources(stack, folders, name))]
    if not stack.shares_infrastructure:
        common["placementHostAddress"] = f"127.0.0.1:{stack.ports['placement']}"
        common["schedulerHostAddress"] = f"127.0.0.1:{stack.ports['scheduler']}"
    document["apps"] = [_entry(stack, app, without_app, env or {}) for app in apps]
    return _write(stack, name, document)


def _write(stack: Stack, name: str, document: dict[str, Any]) -> Path:
    path = stack.state / "run" / name
    files.put(path, yaml.safe_dump(document, sort_keys=False))  # in a secure stack it has the apps' tokens
    return path


def _entry(stack: Stack, app: App, without_app: bool, env: dict[str, str]) -> dict[str, Any]:
    entry = dict(app.entry) | {"appDirPath": str(app.folder)}
    entry |= {key: app.entry[key] + stack.offset for key in PORT_KEYS if key in app.entry}
    if "kafka" in stack.brokers and app.app_id in NO_HEALTH_CHECK_ON_KAFKA:
        entry["enableAppHealthCheck"] = False
    # OpenTelemetry's own default is port 9411: spans of tests and benches must not reach a user's own Zipkin.
    spans = {"OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"http://localhost:{ZIPKIN + stack.offset}/api/v2/spans"}
    entry["env"] = app.entry["env"] | (spans if stack.offset else {}) | env
    if without_app:
        entry.pop("command", None)
    return entry


def stack_config(stack: Stack) -> Path:
    """Write the Configuration for the stack's sidecars, with the stack's registry of names. Return its path.

    Dapr's default is multicast DNS. It needs a network that carries it, and answers for every app id on the machine,
    so it would mix two stacks.
    """
    source = RUN_FILE.parent / "config" / "config.yaml"
    document = read_yaml(source)[0]
    # An entry is valid for updateInterval and is renewed after updateInterval - timeout. With the defaults (5 s, 1 s)
    # an entry may expire on a loaded machine, and a call finds no app.
    document["spec"].setdefault(
        "nameResolution",
        {
            "component": "sqlite",
            "version": "v1",
            "configuration": {
                # A URI, because a path may have a `?`, or a `$`, which Dapr would take for a variable.
                "connectionString": f"file:{quote(str(stack.state / 'names.sqlite'))}",
                "updateInterval": "20s",
                "timeout": "10s",
            },
        },
    )
    tracing, port = document["spec"]["tracing"], ZIPKIN + stack.offset
    if _listens(port):
        # Traces of tests and benches must not reach a user's own Zipkin.
        tracing["zipkin"]["endpointAddress"] = tracing["zipkin"]["endpointAddress"].replace(f":{ZIPKIN}/", f":{port}/")
    else:
        # Otherwise a sidecar logs "connection refused" with each call. Log lines keep their trace ids.
        tracing.pop("zipkin", None)
    return _write(stack, source.name, document)


def exports_spans(stack: Stack) -> bool:
    """Return whether the sidecars that were started last send their spans to a receiver."""
    path = stack.state / "run" / "config.yaml"
    return path.exists() and "zipkin" in read_yaml(path)[0]["spec"]["tracing"]


def _redis_password(stack: Stack) -> str:
    return (stack.state / "private" / "redis.conf").read_text().split()[1]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stack_resources(stack: Stack, folders: Sequence[Path], name: str) -> Path:
    """Return one folder of resource files for the stack: components/ itself when nothing in it has to change.

    A sidecar watches its folder and reloads a policy that changes, so files that are the same are left alone.
    """
    if stack.offset == 0 and len(folders) == 1 and not stack.secure:
        return folders[0]
    target = stack.state / "run" / f"{Path(name).stem}-resources"
    target.mkdir(parents=True, exist_ok=True)
    sources = {source.name: source for folder in folders for source in folder.glob("*.yaml")}
    for stale in target.glob("*.yaml"):
        if stale.name not in sources:
            stale.unlink()
    for copy, source in ((target / file, source) for file, source in sources.items()):
        text = source.read_text().replace("localhost:6379", f"localhost:{stack.ports['redis']}")
        for broker in stack.brokers:
            text = text.replace(f"localhost:{BROKER_PORTS[broker][broker]}", f"localhost:{stack.ports[broker]}")
        text = text.replace(f'"{MAIL}"', f'"{MAIL + stack.offset}"')
        text = text.replace(f"localhost:{WEBHOOK}/", f"localhost:{WEBHOOK + stack.offset}/")
        if stack.secure:
            text = text.replace(_NO_PASSWORD, f'{_NO_PASSWORD[:-1]}{_redis_password(stack)}"')
        files.put(copy, text)
    return target
