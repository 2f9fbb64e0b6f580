"""The commands of ./lab, and nothing else."""

from __future__ import annotations

import json
import os
import time
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from kit.edge.proxy import bypass
from labctl import runfile, testing, variants
from labctl import vendor as vendoring
from labctl.make import images
from labctl.make.installed import RUNTIME_VERSION
from labctl.make.setup import set_up
from labctl.make.uv import uv
from labctl.new.service import folder_of as service_folder
from labctl.new.service import make as make_service
from labctl.observe import commands as observe
from labctl.progress import Steps
from labctl.stack import ROOT, Stack
from labctl.terminal import console, plain, print_whole, run
from labctl.up import commands, processes, remembered
from labctl.up import doctor as checks
from labctl.up.logs import logs
from labctl.up.status import Json, status

HELP = ["-h", "--help"]
cli = typer.Typer(
    name="lab",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": HELP},
    help="Dapr labs in Python, on the real Dapr runtime, without Docker.\n\n"
    "Start with [bold]./lab up[/]; look with [bold]./lab status[/] and [bold]./lab logs[/]; "
    "see it in a browser with [bold]./lab up --console[/]; "
    "break things with [bold]./lab kill callee-app[/]; end with Ctrl-C or [bold]./lab down[/].",
)
Labs = Annotated[list[str] | None, typer.Argument(metavar="LAB", help="Labs. All of them when none is named.")]


def main() -> None:
    """Run ./lab."""
    bypass()
    os.environ.pop("PYTHONIOENCODING", None)  # the logs of the apps are UTF-8, whatever the terminal shows
    command: Any = typer.main.get_command(cli)
    for each in (command, *command.commands.values()):
        for parameter in each.get_params(typer.Context(each, help_option_names=HELP)):
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""  # a flag has no value, and its help would show one: <bool>
    run(lambda: command(prog_name="./lab"))


def _print_version(wanted: bool) -> None:
    if wanted:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        print(f"{project['name']} {project['version']}, for Dapr {RUNTIME_VERSION}")
        raise typer.Exit


@cli.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the versions and exit.")
    ] = False,
) -> None:
    """Take the options before a command."""


for running in (
    commands.up,
    commands.down,
    status,
    logs,
    commands.kill,
    commands.restart,
    commands.serve,
    observe.console,
    observe.trace,
    observe.zipkin,
):
    cli.command()(running)
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": list[str]()}
cli.command("dapr", context_settings=PASSED_ON)(commands.dapr_cli)


@cli.command("uv", context_settings=PASSED_ON)
def run_uv() -> None:
    """Run the `uv` that ./lab uses, in the folder where you are: ./lab uv pip list …"""
    commands.hand_over("uv", uv())


@cli.command()
def setup(
    own: Annotated[
        bool, typer.Option("--own", help="Make the pinned Dapr even beside your `dapr init`, as the tests need it.")
    ] = False,
    build: commands.Build = False,
) -> None:
    """Make what is missing: the Dapr runtime, Redis, each service's environment."""
    stack = Stack.from_environment()
    steps = Steps(console)
    begin = time.monotonic()
    runtime = set_up(stack, runfile.read_apps(stack), steps, own_runtime=own, from_source=build)
    seconds = time.monotonic() - begin
    console.print(f"Ready to run: Dapr {runtime.version()} ({runtime.origin}), {seconds:.1f} s. Next: ./lab up")


@cli.command()
def doctor(json_: Json = False) -> None:
    """Check every requirement, and name the command that fixes each missing one."""
    stack = Stack.from_environment()
    # The options of a stack that has ended say nothing of the next one.
    rows = checks.examine(remembered.present(stack) if processes.find(stack) else stack)
    if json_:
        print(json.dumps([row.__dict__ for row in rows], indent=2))
    else:
        table = Table("", "requirement", "found", "fix", box=box.SIMPLE_HEAD, pad_edge=False)
        for row in rows:
            mark = {"ok": "[green]ok[/]", "missing": "[red]missing[/]", "note": "[yellow]note[/]"}[row.state]
            table.add_row(mark, row.what, plain(row.found), plain(row.fix))
        print_whole(console, table)
    if any(row.state == "missing" for row in rows):
        raise typer.Exit(1)


@cli.command()
def new(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens, such as my-shop.")],
) -> None:
    """Write a small service that runs at once: a call of callee-app, a job, an event and a workflow.

    It gets a folder, components, ports and its own lab of the same name. Everything is listed, and yours to change.
    docs/labs/0-first-service.md writes the same by hand.
    """
    for path in make_service(name):
        console.print(f"[green]+[/] {path}", soft_wrap=True)
    console.print(f"Next: [bold]./lab up {name}[/], then read [bold]{service_folder(name)}/main.py[/].", soft_wrap=True)


@cli.command()
def vendor() -> None:
    """Copy the parts of [bold]kit/[/] that each service imports into the service's folder."""
    for folder in dict.fromkeys(app.folder for app in runfile.read_apps(Stack())):
        for path in vendoring.vendor(ROOT, folder):
            console.print(f"{'updated' if path.exists() else 'removed'} {path.relative_to(ROOT)}")
    if vendoring.copy_faults(ROOT):
        console.print("updated docs/dapr-faults.md")


@cli.command("images")
def build_images(
    labs: Labs = None,
    base: Annotated[
        str | None, typer.Option("--base", help="An image with Python 3.11 or newer, in place of the Dockerfiles' own.")
    ] = None,
) -> None:
    """Build the image of every service with docker, podman or buildah, whichever is there, and show the sizes."""
    apps = runfile.select(runfile.read_apps(Stack()), labs or [])
    table = Table("image", "size", "built in", box=box.SIMPLE_HEAD, pad_edge=False)
    for image in images.build_all(dict.fromkeys(app.folder for app in apps), Steps(console), base):
        table.add_row(image.name, image.size, f"{image.seconds:.0f} s")
    print_whole(console, table)


@cli.command("test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run_tests(
    context: typer.Context,
    labs: Labs = None,
    full: Annotated[bool, typer.Option("--full", help="Also the long tests.")] = False,
    unit: Annotated[bool, typer.Option("--unit", help="Only the services' own tests: no Dapr.")] = False,
) -> None:
    """Run all tests: the services' own, the house rules, the real runtime, the pages. Unknown options go to pytest.

    Not among them: [bold]./lab test kubernetes[/], the manifests on a real API server. It first builds one for minutes.
    """
    words = [*(labs or []), *context.args]
    chosen, passed_on = testing.sort_out(words, runfile.labs(runfile.read_apps(Stack())))
    others = variants.names() if testing.BROKERS in words else []
    code = testing.run(console, chosen, full=full, unit_only=unit, variants=others, pytest_options=passed_on)
    raise typer.Exit(code)


@cli.command()
def lint() -> None:
    """Run only the fast checks: ruff, types, YAML, Dockerfiles, manifests, locks."""
    raise typer.Exit(testing.run(console, [], house_only=True))


@cli.command()
def demo(
    lab: Annotated[str, typer.Argument(help="invocation, jobs, chat, pizza, or blocks")],
    auto: Annotated[bool, typer.Option("--auto", help="Play without questions.")] = False,
) -> None:
    """Play a lab's story in the terminal against the running services."""
    from labctl import demos

    demos.play(lab, remembered.present(Stack.from_environment()), console, auto)


@cli.command()
def bench(
    name: Annotated[str, typer.Argument(help="invocation, jobs, chat, pizza, blocks, console, or up")],
    json_: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Seconds to measure each row.")] = 6.0,
    full: Annotated[bool, typer.Option("--full", help="Also the long rows.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 when a target is missed.")] = False,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the picture of invocation or jobs into docs/img instead.")
    ] = False,
) -> None:
    """Measure speed as a ratio to the layer below, side by side in one run, on a private stack."""
    from labctl import bench as benches

    if plot:
        benches.plot(name, console)
    else:
        raise typer.Exit(benches.run(name, console, json_, seconds, full=full, check=check))


@cli.command()
def chaos(
    lab: Annotated[str, typer.Argument(help="pizza")],
    orders: Annotated[
        int, typer.Option("--orders", min=1, help="Number of orders placed while every process is killed in turn.")
    ] = 50,
    seed: Annotated[int, typer.Option("--seed", help="Decides the order of the kills and what the customers do.")] = 1,
    components: commands.Components = "",
) -> None:
    """Kill each service, sidecar and store of a lab while it works, and audit the result. Runs on a private stack."""
    from labctl import chaos as chaoses

    raise typer.Exit(chaoses.run(lab, console, orders, seed, components))
