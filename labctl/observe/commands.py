"""The commands of ./lab that show what the labs do: console, zipkin, trace."""

from __future__ import annotations

import json
import webbrowser
from typing import Annotated

import typer

from labctl import runfile, spans
from labctl.observe import trace as traces
from labctl.observe import zipkin as real_zipkin
from labctl.observe.foreground import Program
from labctl.progress import Steps
from labctl.stack import Stack
from labctl.terminal import console as terminal
from labctl.terminal import print_whole
from labctl.up import processes, remembered, web_console

Open = Annotated[bool, typer.Option("--open", help="Also open it in your browser.")]


def console(open_: Open = False) -> None:
    """Serve a web page that shows the labs: map, traces, workflows, events, state, and each lab's story.

    It runs until Ctrl-C, whether labs run or not. Only this machine can open it.
    No lab needs it: end or kill it at any time.

    To see live calls and traces, use [bold]./lab up --console[/] instead.
    A sidecar sends its spans only if something receives them when it starts.
    """
    stack = remembered.present(Stack.from_environment())
    if web_console.pid(stack):
        terminal.print(f"The console runs already, as a part of the labs: {web_console.url(stack)}", soft_wrap=True)
        _open(web_console.url(stack), wanted=open_)
        return
    steps = Steps(terminal)
    python = web_console.make(steps)
    web_console.refuse_held_port(stack)
    is_deaf = not processes.answers(web_console.ports(stack)["spans"]) and _sends_no_spans(stack)

    def say() -> None:
        terminal.print(f"The console: {web_console.url(stack)}\nCtrl-C ends it.", soft_wrap=True)
        if is_deaf:
            terminal.print(
                "The sidecars that run send it no spans, because it started after them. For live calls and traces: "
                "[bold]./lab down[/], then [bold]./lab up --console[/]",
                soft_wrap=True,
            )
        _open(web_console.url(stack), wanted=open_)

    program = Program(
        web_console.NAME,
        web_console.command(python),
        lambda: web_console.serves(stack),
        web_console.environment(stack),
    )
    program.run(stack, steps, say, web_console.READY_WITHIN)


def _open(url: str, *, wanted: bool) -> None:
    if wanted and not webbrowser.open(url):
        terminal.print("There is no browser that ./lab can open here. Open the URL yourself.")


def _sends_no_spans(stack: Stack) -> bool:
    has_sidecars = any(one.kind == "sidecar" for one in processes.find(stack))
    return has_sidecars and not runfile.exports_spans(stack)


def zipkin() -> None:
    """Run a real Zipkin, which receives the sidecars' spans and shows them on its own pages, until Ctrl-C.

    Start the labs after it, with [bold]./lab up[/] in another terminal.
    A sidecar sends its spans only if something receives them when it starts.
    [bold]./lab trace[/] and the console then read the spans from Zipkin.

    It needs Java 17, and Maven, which downloads it once (125 MB).
    Without Java, use [bold]./lab up --console[/]: the console receives spans too.
    """
    stack = remembered.present(Stack.from_environment())
    steps = Steps(terminal)
    program = real_zipkin.program(stack, steps)

    def say() -> None:
        terminal.print(f"Zipkin: {real_zipkin.url(stack)}\nCtrl-C ends it, and its traces are gone then.")
        if _sends_no_spans(stack):
            terminal.print("The sidecars that run send it no spans: [bold]./lab down[/], then [bold]./lab up[/]")

    program.run(stack, steps, say, real_zipkin.READY_WITHIN)


def trace(
    which: Annotated[
        str, typer.Argument(metavar="[ID|last]", help="A trace id, also in a traceparent; the last request otherwise.")
    ] = traces.LAST,
    list_: Annotated[bool, typer.Option("--list", help="The latest requests, one a line.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="With --list: also what apps and sidecars do without a request.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="With --list: how many.")] = 20,
    json_: Annotated[bool, typer.Option("--json", help="For programs: the spans as Zipkin has them.")] = False,
) -> None:
    """Print the trace of a request as a tree: through which apps and sidecars it went, and how long each step took.

    [bold]./lab up --console[/] or [bold]./lab zipkin[/] receives the spans that sidecars send.
    They send them every 5 s, so wait a little after a request.
    Each line of an app's log has the id of its trace: `trace_id`.
    """
    stack = remembered.present(Stack.from_environment())
    if list_:
        found = traces.latest(stack, lines, everything=everything)
        if json_:
            print(json.dumps([traces.summary(one) for one in found], indent=2))
        else:
            print_whole(terminal, traces.listed(found))
        return
    found = traces.find(stack, which)
    if json_:
        print(json.dumps([spans.write(span) for span in found], indent=2))
        return
    facts = traces.summary(found)
    took, ago = traces.length(facts["milliseconds"]), traces.length(facts["age_seconds"] * 1000)
    counted = f"{facts['spans']} spans, {facts['errors']} with an error"
    terminal.print(f"trace {facts['trace_id']}: {counted}, {took}, {ago} ago", soft_wrap=True)
    terminal.print(traces.drawn(terminal, found))
