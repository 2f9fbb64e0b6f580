"""./lab status: what runs, and whether it can serve."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from labctl import runfile
from labctl.stack import Stack
from labctl.terminal import console, plain, print_whole
from labctl.up import infrastructure, readiness, remembered, web_console
from labctl.up.readiness import Status

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def status(json_: Json = False) -> None:
    """Show every app with its process, sidecar and readiness, the infrastructure below them, and the console."""
    stack = remembered.present(Stack.from_environment())
    rows = readiness.status(stack, runfile.read_apps(stack))
    below = infrastructure.look(stack)
    pid, wanted = web_console.pid(stack), remembered.read(stack).console
    if json_:
        document: dict[str, Any] = {
            "apps": [_described(row) for row in rows],
            "infrastructure": [one.__dict__ for one in below],
            "console": {"url": web_console.url(stack), "pid": pid} if pid else None,
        }
        print(json.dumps(document, indent=2))
        return
    print_whole(console, _table(rows))
    for one in below:
        whose = "" if one.ours else " (not started by ./lab)"
        console.print(f"{one.name}: port {one.port}, pid {one.pid or 'not visible'}{whose}")
    for name in infrastructure.names(stack):
        if name not in {one.name for one in below}:
            console.print(f"{name}: not running")
    if pid:
        console.print(f"console: {web_console.url(stack)}, pid {pid}", soft_wrap=True)
    elif wanted and any(row.pid or row.sidecar_pid for row in rows):
        console.print(f"console: not running (./lab restart {web_console.NAME})")


def _described(row: Status) -> dict[str, Any]:
    return {
        "app_id": row.app.app_id,
        "lab": row.app.lab,
        "pid": row.pid,
        "sidecar_pid": row.sidecar_pid,
        "app_port": row.app.app_port,
        "dapr_http_port": row.app.http_port,
        "ready": row.ready,
    }


def _table(rows: list[Status]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("app", "URL", "pid", "sidecar pid", "ready"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        ready = (
            "[green]yes[/]"
            if row.ready
            else "[red]no[/]"
            if row.pid or row.sidecar_pid
            else plain(row.held or "not running")
        )
        pids = [str(pid or "-") for pid in (row.pid, row.sidecar_pid)]
        table.add_row(row.app.app_id, row.app.url, *pids, ready)
    return table
