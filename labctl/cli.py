"""The commands of ./lab, and nothing else."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from labctl import doctor as checks
from labctl import infrastructure, lifecycle, logfiles, runfile, serving, testing, watching
from labctl import runtime as dapr
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.runfile import App
from labctl.setup import set_up
from labctl.site import HOME, Site

cli = typer.Typer(
    name="lab",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Dapr labs in Python, on the real Dapr runtime, without Docker.\n\n"
    "Start with [bold]./lab up[/]; look with [bold]./lab status[/] and [bold]./lab logs[/]; "
    "break things with [bold]./lab kill callee-app[/]; end with Ctrl-C or [bold]./lab down[/].",
)
console = Console(highlight=False)
problems = Console(stderr=True, highlight=False)

Labs = Annotated[list[str] | None, typer.Argument(metavar="[LAB]…", help="Labs; all that exist when none is named.")]
Name = Annotated[str, typer.Argument(metavar="APP|redis|scheduler|placement", help="An app id, or a part below it.")]
Sidecar = Annotated[bool, typer.Option("--sidecar", help="Only the app's sidecar (daprd).")]
KeepSidecar = Annotated[bool, typer.Option("--keep-sidecar", help="Only the app, under the sidecar that it had.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def main() -> None:
    """./lab."""
    run(lambda: cli(prog_name="./lab"))


def run(command: Callable[[], object]) -> None:
    """Runs a command; what goes wrong is said in one sentence, with exit code 1."""
    try:
        command()
    except LabError as error:
        _refuse(str(error))
    except OSError as error:
        if not (full := _full_disk(error)):
            raise
        _refuse(f"The disk is full: {full}. Make room and run this again.")


def _refuse(why: str) -> NoReturn:
    problems.print(f"[bold red]lab:[/] {_plain(why)}", soft_wrap=True)
    sys.exit(1)


def _full_disk(error: OSError) -> str:
    """What the system says where it has no room left; empty for any other error."""
    # A copied folder has a list of what failed, each with source, target and the words of its error.
    words = [str(reason) for *_, reason in error.args[0]] if isinstance(error, shutil.Error) else [str(error)]
    for number in (errno.ENOSPC, errno.EDQUOT):
        for one in words:
            if one.startswith(f"[Errno {number}] "):
                return one.partition("] ")[2]
    return ""


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


@cli.command()
def up(
    labs: Labs = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when all is ready; ./lab down ends it.")
    ] = False,
    secure: Annotated[
        bool, typer.Option("--secure", help="mTLS, access control and API tokens, with a control plane of its own.")
    ] = False,
) -> None:
    """Sets up what is missing, starts the labs and waits until every app is ready. Ctrl-C stops all of it."""
    site = replace(Site.from_environment(), secure=secure)
    apps = runfile.select(runfile.read_apps(site), labs or [])
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        seconds = lifecycle.up(site, apps, console)
        _print_whole(_up_table(apps, seconds))
        if secure:
            console.print("mTLS is on: callers are known by certificate, callee lets caller-app's GET /greet/* in.")
            console.print(f"The API tokens are in {(site.state / 'tokens.json').relative_to(HOME.parent)}")
        if detach:
            console.print("Running. [bold]./lab status[/], [bold]./lab logs[/], and [bold]./lab down[/] to end it.")
            return
        elsewhere = f"[bold]./lab logs -f[/], [bold]./lab kill {apps[0].app_id}[/]"
        console.print(f"Ctrl-C stops all of it. In another terminal: {elsewhere}", soft_wrap=True)
        _watch(site, apps)
    except KeyboardInterrupt:
        console.print("\nStopping …")
        # A second Ctrl-C must not leave half of it running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        lifecycle.down(site, lambda what: console.print(f"[dim]{what}[/]"))
        console.print("Stopped.")
        raise typer.Exit(130) from None


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _watch(site: Site, apps: list[App]) -> None:
    try:
        watching.watch(site, apps, lambda what: console.print(what, soft_wrap=True))
        console.print("The labs were stopped from elsewhere.")
    except LabError:
        console.print("Stopping the others …")
        lifecycle.down(site)
        raise


def _up_table(apps: list[App], seconds: dict[str, float]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("app", "URL", "docs", "sidecar port", "ready after"):
        table.add_column(column, no_wrap=True)
    for app in apps:
        docs = "-" if app.protocol == "grpc" else f"[link={app.url}/docs]/docs[/]"
        table.add_row(app.app_id, app.url, docs, str(app.http_port), f"{seconds[app.app_id]:.1f} s")
    return table


def _print_whole(table: Table) -> None:
    """Prints a table as wide as what is in it: on 80 columns a URL would lose its port."""
    Console(width=max(console.width, 200), highlight=False).print(table)


@cli.command()
def down(
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete what Redis and the scheduler have kept too.")
    ] = False,
) -> None:
    """Ends all that ./lab up started, in order: apps, sidecars, control plane, Redis."""
    site = lifecycle.present(Site.from_environment())
    ended = lifecycle.down(site, lambda what: console.print(f"[dim]{what}[/]"))
    console.print("Stopped." if ended else "Nothing of ./lab runs here.")
    if forget:
        kept = infrastructure.forget(site)
        nothing = "Nothing of ./lab was kept here; a Redis of your own keeps what it has."
        console.print(f"Deleted what {' and '.join(kept)} had kept." if kept else nothing, soft_wrap=True)


@cli.command()
def status(json_: Json = False) -> None:
    """Shows every app with its process, sidecar and readiness, and what runs below them."""
    site = lifecycle.present(Site.from_environment())
    rows = lifecycle.status(site, runfile.read_apps(site))
    below = infrastructure.look(site)
    if json_:
        apps = [
            {
                "app_id": row.app.app_id,
                "lab": row.app.lab,
                "pid": row.pid,
                "sidecar_pid": row.sidecar_pid,
                "app_port": row.app.app_port,
                "dapr_http_port": row.app.http_port,
                "ready": row.ready,
            }
            for row in rows
        ]
        print(json.dumps({"apps": apps, "infrastructure": [one.__dict__ for one in below]}, indent=2))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("app", "URL", "pid", "sidecar pid", "ready"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        ready = "[green]yes[/]" if row.ready else "[red]no[/]" if row.pid or row.sidecar_pid else "not running"
        pids = [str(pid or "-") for pid in (row.pid, row.sidecar_pid)]
        table.add_row(row.app.app_id, row.app.url, *pids, ready)
    _print_whole(table)
    for one in below:
        whose = "" if one.ours else " (not started by ./lab)"
        console.print(f"{one.name}: port {one.port}, pid {one.pid or 'not visible'}{whose}")
    for name in infrastructure.names(site):
        if name not in {one.name for one in below}:
            console.print(f"{name}: not running")


@cli.command()
def logs(
    app: Annotated[
        str | None, typer.Argument(metavar="[APP]", help="An app id or redis, scheduler, placement.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come in; Ctrl-C ends it.")] = False,
    sidecar: Sidecar = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines of each log.")] = 20,
) -> None:
    """Prints the last lines of an app's log, or of all apps' logs."""
    site = Site.from_environment()
    apps = runfile.read_apps(site)
    if app in infrastructure.names(Site(secure=True)):
        files = {str(app): site.logs / f"{app}.log"}
    else:
        wanted = [runfile.find(apps, app)] if app else apps
        kind = "daprd" if sidecar else "app"
        if follow:
            # The CLI opens a new file at each start; `tail -F` sees that the name leads elsewhere, and goes on there.
            logfiles.link(site, wanted)
            linked = {one.app_id: logfiles.linked(site, one, kind) for one in wanted}
            found = {name: path for name, path in linked.items() if path.exists()}
        else:
            found = {one.app_id: logfiles.file(site, one, kind) for one in wanted}
        files = {name: path for name, path in found.items() if path}
    if not [path for path in files.values() if path.exists()]:
        raise LabError(f"There is no log of {app or 'any app'} yet. ./lab up writes them.")
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), *(str(path) for path in files.values())]
    sys.stdout.flush()
    raise typer.Exit(subprocess.run(command, check=False).returncode)


@cli.command()
def setup(
    all_components: Annotated[
        bool, typer.Option("--all-components", help="Build daprd with Dapr's whole component catalogue (slower).")
    ] = False,
    own: Annotated[
        bool, typer.Option("--own", help="Build the pinned runtime even beside your `dapr init`, as the tests need it.")
    ] = False,
) -> None:
    """Makes what is missing: the Dapr runtime, Redis, each service's environment. Does nothing when all is there."""
    site = Site.from_environment()
    steps = Steps(console)
    begin = time.monotonic()
    if all_components:
        dapr.ensure(steps, own=True, all_components=True)
    runtime = set_up(site, runfile.read_apps(site), steps, own_runtime=own)
    seconds = time.monotonic() - begin
    console.print(f"Ready to run: Dapr {runtime.version()} ({runtime.origin}), {seconds:.1f} s. Next: ./lab up")


@cli.command(
    "dapr", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def dapr_cli(context: typer.Context) -> None:
    """Runs the `dapr` CLI that the labs use: ./lab dapr list, invoke, publish, stop …"""
    runtime = lifecycle.find_runtime(Site.from_environment())
    os.environ.update(runtime.environment)
    os.execv(runtime.cli, [str(runtime.cli), *context.args])


@cli.command()
def kill(name: Name, sidecar: Sidecar = False) -> None:
    """kill -9 of an app, its sidecar, Redis, scheduler or placement: break it, and see Dapr heal it."""
    site = lifecycle.present(Site.from_environment())
    pid = lifecycle.kill(site, name, sidecar=sidecar)
    what = f"{name}'s sidecar" if sidecar else name
    option = " --sidecar" if sidecar else ""
    console.print(f"Killed {what} (pid {pid}). Bring it back with: ./lab restart {name}{option}", soft_wrap=True)


@cli.command()
def restart(name: Name, sidecar: Sidecar = False, keep_sidecar: KeepSidecar = False) -> None:
    """Restarts one app with its sidecar (or only one of them), Redis, scheduler or placement; nothing else moves."""
    if sidecar and keep_sidecar:
        raise LabError("--sidecar and --keep-sidecar exclude each other.")
    site = lifecycle.present(Site.from_environment())
    seconds = lifecycle.restart(site, name, sidecar=sidecar, keep_sidecar=keep_sidecar)
    console.print(f"{name}{' (sidecar)' if sidecar else ''} is ready again after {seconds:.1f} s.", soft_wrap=True)


@cli.command()
def serve(name: Name) -> None:
    """Runs one app with its sidecar, or one infrastructure process, in the foreground (what the Tiltfile calls)."""
    site = Site.from_environment()
    signal.signal(signal.SIGTERM, _interrupt)
    serving.serve(site, name, console)


@cli.command()
def doctor(json_: Json = False) -> None:
    """Checks every requirement and says, for each that is missing, the one command that mends it."""
    rows = checks.examine(Site.from_environment())
    if json_:
        print(json.dumps([row.__dict__ for row in rows], indent=2))
    else:
        table = Table("", "requirement", "found", "mend it with", box=box.SIMPLE_HEAD, pad_edge=False)
        for row in rows:
            mark = {"ok": "[green]ok[/]", "missing": "[red]missing[/]", "note": "[yellow]note[/]"}[row.state]
            table.add_row(mark, row.what, _plain(row.found), _plain(row.fix))
        console.print(table)
    if any(row.state == "missing" for row in rows):
        raise typer.Exit(1)


@cli.command("test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run_tests(
    context: typer.Context,
    labs: Labs = None,
    full: Annotated[bool, typer.Option("--full", help="The long tests too.")] = False,
    unit: Annotated[bool, typer.Option("--unit", help="Only the services' own tests: no Dapr.")] = False,
    lint: Annotated[
        bool, typer.Option("--lint", help="Only the fast checks of tests/house: lint, types, manifests.")
    ] = False,
) -> None:
    """Runs all tests: each service's own, then house, real runtime and pages. Options it does not know go to pytest."""
    known = runfile.labs(runfile.read_apps(Site()))
    chosen = [name for name in labs or [] if name in known]
    passed_on = [*(name for name in labs or [] if name not in known), *context.args]
    code = testing.run(console, chosen, full=full, unit_only=unit, house_only=lint, pytest_options=passed_on)
    raise typer.Exit(code)


@cli.command()
def lint() -> None:
    """Runs the fast checks only: ruff, types, YAML, Dockerfiles, manifests, locks. The same as ./lab test --lint."""
    raise typer.Exit(testing.run(console, [], house_only=True))


@cli.command()
def demo(
    lab: Annotated[str, typer.Argument(help="invocation, jobs, chat, or pizza")],
    auto: Annotated[bool, typer.Option("--auto", help="Let it play by itself; nobody is asked.")] = False,
) -> None:
    """Plays a lab's story in the terminal against the running services."""
    from labctl import demos

    demos.play(lab, lifecycle.present(Site.from_environment()), console, auto)


@cli.command()
def bench(
    name: Annotated[str, typer.Argument(help="invocation, jobs, chat, pizza, or up")],
    json_: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file too.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="How long each row is measured.")] = 6.0,
    full: Annotated[bool, typer.Option("--full", help="The long rows too.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 when a target is missed.")] = False,
) -> None:
    """Measures, side by side in one run and as a ratio to the thing below it, on a site of its own."""
    from labctl import bench as benches

    raise typer.Exit(benches.run(name, console, json_, seconds, full=full, check=check))


@cli.command()
def chaos(
    lab: Annotated[str, typer.Argument(help="pizza")],
    orders: Annotated[int, typer.Option("--orders", help="How many are placed while everything dies in turn.")] = 50,
    seed: Annotated[int, typer.Option("--seed", help="Decides who is killed when, and what the customers do.")] = 1,
) -> None:
    """Kills each service, sidecar and store of a lab while it works, and counts what was done. On a site of its own."""
    from labctl import chaos as chaoses

    raise typer.Exit(chaoses.run(lab, console, orders, seed))
