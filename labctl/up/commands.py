"""The commands of ./lab that start, show, break and stop the labs."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from labctl import runfile, variants
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.runfile import App
from labctl.stack import HOME, Stack
from labctl.terminal import console, print_whole
from labctl.up import control, foreground, infrastructure, joining, lifecycle, remembered, watcher, web_console
from labctl.up import secure as secure_mode
from labctl.up.logs import Sidecar

Labs = Annotated[list[str] | None, typer.Argument(metavar="LAB", help="Labs. All of them when none is named.")]
Name = Annotated[str, typer.Argument(metavar="APP|redis|scheduler|placement|console", help="An app id, or redis, …")]
Components = Annotated[
    str,
    typer.Option("--components", metavar="NAME", help="A folder of variants/: kafka-postgres or rabbitmq-postgres."),
]
KeepSidecar = Annotated[bool, typer.Option("--keep-sidecar", help="Only the app. Its sidecar keeps running.")]
Build = Annotated[
    bool, typer.Option("--build", help="Build the pinned Dapr from source, without its release archives.")
]
# uvicorn reads its options from the environment too.
RELOAD = {"UVICORN_RELOAD": "true"}


def up(
    labs: Labs = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when everything is ready. ./lab down stops it.")
    ] = False,
    build: Build = False,
    own: Annotated[
        bool, typer.Option("--own", help="Run on the pinned Dapr, beside your `dapr init` and without touching it.")
    ] = False,
    secure: Annotated[
        bool, typer.Option("--secure", help="mTLS, access control and API tokens, with a separate control plane.")
    ] = False,
    reload: Annotated[bool, typer.Option("--reload", help="Restart a FastAPI app when you save a file.")] = False,
    with_console: Annotated[
        bool, typer.Option("--console", help="Also the web page that shows them, which receives the sidecars' spans.")
    ] = False,
    components: Components = "",
) -> None:
    """Set up all missing parts, start the labs and wait until every app is ready. Ctrl-C stops everything.

    If labs run already, only the missing apps start, and Ctrl-C stops only these.
    """
    if joining.running(Stack.from_environment()):
        if with_console:
            _join_console()
        options = {"secure": secure, "own": own, "build": build, "reload": reload}
        _join(labs or [], detach=detach, options=options, components=components)
        return
    variants.refuse_unknown(components)
    if secure and components:
        raise LabError("--secure and --components exclude each other: Kafka and PostgreSQL would have no password.")
    stack = replace(Stack.from_environment(), secure=secure, own=own, components=components)
    apps = runfile.select(runfile.read_apps(stack), labs or [])
    try:
        env = RELOAD if reload else {}
        seconds = lifecycle.up(stack, apps, console, from_source=build, env=env, with_console=with_console)
        print_whole(console, _up_table(apps, seconds))
        _say_console(stack)
        if secure:
            console.print("mTLS is on: an app is called only by the apps and on the routes that config/secure names.")
            tokens = secure_mode.token_file(stack, apps[0].app_id).relative_to(HOME.parent)
            console.print(f"Each app has its own tokens: {tokens}, …", soft_wrap=True)
        if detach:
            console.print("Running. [bold]./lab status[/], [bold]./lab logs[/], and [bold]./lab down[/] to end it.")
            return
        elsewhere = f"[bold]./lab logs -f[/], [bold]./lab kill {apps[0].app_id}[/]"
        console.print(f"Ctrl-C stops all of it. In another terminal: {elsewhere}", soft_wrap=True)
        _watch(stack, apps)
    except (KeyboardInterrupt, SystemExit):  # Rich ends the process when nobody reads its output
        console.print("\nStopping …")
        lifecycle.down(stack, lambda what: console.print(f"[dim]{what}[/]"))
        console.print("Stopped.")
        raise typer.Exit(130) from None


def _join_console() -> None:
    """Start the console beside the labs that run, unless it runs. It stays until the whole stack ends."""
    stack = remembered.present(Stack.from_environment())
    if web_console.pid(stack) is None:
        is_late = not runfile.exports_spans(stack)
        with joining.alone(stack):
            web_console.try_start(stack, Steps(console))
        if is_late and web_console.pid(stack):
            console.print(
                "Apps that run already send it no spans until they are restarted: ./lab restart APP, or ./lab down "
                "and ./lab up --console.",
                soft_wrap=True,
            )
    _say_console(stack)


def _say_console(stack: Stack) -> None:
    if web_console.pid(stack):
        console.print(f"The console shows them: {web_console.url(stack)}", soft_wrap=True)


def _join(labs: list[str], *, detach: bool, options: dict[str, bool], components: str) -> None:
    stack = remembered.present(Stack.from_environment())
    wanted, run = runfile.select(runfile.read_apps(stack), labs), remembered.read(stack)
    if components not in ("", run.components):
        raise LabError(f"The labs run already, without --components {components}. End them first with ./lab down.")
    env = RELOAD if options["reload"] else {}
    has = {"secure": run.secure, "own": run.own, "build": False, "reload": RELOAD.items() <= run.env.items()}
    lacks = [name for name, is_wanted in options.items() if is_wanted and not has[name]]
    with joining.alone(stack):
        missing = joining.missing(stack, wanted)
        # An app that starts now may have --reload, beside others without.
        if without := [name for name in lacks if name != "reload" or not missing]:
            raise LabError(f"The labs run already, without --{without[0]}. End them first with ./lab down.")
        for app in (one for one in wanted if one not in missing):
            console.print(f"{app.app_id} runs already{', without --reload' if lacks else ''}.")
        if not missing:
            return
        with _leaving(stack, missing):
            seconds = joining.join(stack, missing, console, env)
    with _leaving(stack, missing):
        print_whole(console, _up_table(missing, seconds))
        if detach:
            console.print("Running. [bold]./lab down[/] ends all labs.")
            return
        names = ", ".join(app.app_id for app in missing)
        console.print(f"Ctrl-C stops {names}. The other apps go on.", soft_wrap=True)
        watcher.watch(
            stack, missing, lambda what: console.print(what, soft_wrap=True, markup=False), infrastructure_too=False
        )
        console.print("The labs were stopped by another command.")


@contextmanager
def _leaving(stack: Stack, apps: list[App]) -> Generator[None]:
    """Stop these apps, and no other one, when the block is interrupted or fails."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        console.print(f"\nStopping {', '.join(app.app_id for app in apps)} …")
        joining.leave(stack, apps)
        console.print("Stopped. The other apps go on.")
        raise typer.Exit(130) from None
    except BaseException:
        joining.leave(stack, apps)
        raise


def _watch(stack: Stack, apps: list[App]) -> None:
    try:
        watcher.watch(stack, apps, lambda what: console.print(what, soft_wrap=True, markup=False))
        console.print("The labs were stopped by another command.")
    except Exception:
        console.print("Stopping the others …")
        lifecycle.down(stack)
        raise


def _up_table(apps: list[App], seconds: dict[str, float]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("app", "URL", "docs", "sidecar port", "ready after"):
        table.add_column(column, no_wrap=True)
    for app in apps:
        docs = "-" if app.protocol == "grpc" else f"[link={app.url}/docs]/docs[/]"
        table.add_row(app.app_id, app.url, docs, str(app.http_port), f"{seconds[app.app_id]:.1f} s")
    return table


def down(
    forget: Annotated[bool, typer.Option("--forget", help="Also delete its data and logs.")] = False,
) -> None:
    """Stop everything that ./lab up started, in order: apps, sidecars, control plane, Redis."""
    stack = remembered.present(Stack.from_environment())
    ended = lifecycle.down(stack, lambda what: console.print(f"[dim]{what}[/]"))
    console.print("Stopped." if ended else "Nothing of ./lab runs here.")
    if forget:
        kept = infrastructure.forget(stack, runfile.read_apps(stack))
        nothing = "Nothing of ./lab was kept here; a Redis of your own keeps what it has."
        console.print(f"Deleted what {' and '.join(kept)} had kept." if kept else nothing, soft_wrap=True)


def dapr_cli() -> None:
    """Run the `dapr` CLI that the labs use: ./lab dapr list, invoke, publish, stop …"""
    runtime = remembered.find_runtime(Stack.from_environment())
    os.environ.update(runtime.environment)
    hand_over("dapr", runtime.cli)


def hand_over(command: str, program: Path) -> None:
    """Become this program, with each word that follows the command of ./lab."""
    # Not context.args: click drops the `--` of `dapr run … -- COMMAND`.
    os.execv(program, [str(program), *sys.argv[sys.argv.index(command) + 1 :]])


def kill(name: Name, sidecar: Sidecar = False) -> None:
    """Kill (kill -9) an app, its sidecar, Redis, scheduler, placement or the console, and watch Dapr recover."""
    stack = remembered.present(Stack.from_environment())
    pid = control.kill(stack, name, sidecar=sidecar)
    what = f"{name}'s sidecar" if sidecar else name
    option = " --sidecar" if sidecar else ""
    console.print(f"Killed {what} (pid {pid}). Bring it back with: ./lab restart {name}{option}", soft_wrap=True)


def restart(name: Name, sidecar: Sidecar = False, keep_sidecar: KeepSidecar = False) -> None:
    """Restart one app with its sidecar (or only one of the two), Redis, scheduler, placement or the console."""
    if sidecar and keep_sidecar:
        raise LabError("--sidecar and --keep-sidecar exclude each other.")
    stack = remembered.present(Stack.from_environment())
    with Steps(console).step(f"restart {name}", ticked=False):
        seconds = control.restart(stack, name, sidecar=sidecar, keep_sidecar=keep_sidecar)
    console.print(f"{name}{' (sidecar)' if sidecar else ''} is ready again after {seconds:.1f} s.", soft_wrap=True)


def serve(name: Name) -> None:
    """Run one app with its sidecar, or one infrastructure process, in the foreground. The Tiltfile uses this."""
    stack = Stack.from_environment()
    foreground.serve(stack, name, console)
