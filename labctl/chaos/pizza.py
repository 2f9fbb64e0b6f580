"""Chaos in the pizza lab: orders are in flight while each service, sidecar and store dies once, and is restarted."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from random import Random

import httpx
from rich.console import Console

from labctl import runfile
from labctl.chaos.audit import Audit
from labctl.chaos.customers import Customer, Plan
from labctl.errors import LabError
from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import control, infrastructure, lifecycle
from labctl.up.processes import wait_until
from labctl.up.watcher import missing

# Shorter than taught, so that many orders are in flight at every step at once. In seconds, as are all others here.
SETTINGS = {
    "STEP_SECONDS": "1",
    "RULES__DEADLINE_SECONDS": "240",
    "WATCH_EVERY_SECONDS": "30",
    "WATCH_QUIET_SECONDS": "30",
    "WATCH_GRACE_SECONDS": "60",
}
PAUSE = (0.5, 3.0)
DOWN = (0.0, 2.0)
# An outage may cost each of an order's steps 22 s without a scheduler, and pauses of up to 10 s between its attempts.
# What stands still the watchdog finds after 300 s, and the rest is for undoing it.
ENDED_WITHIN = 420
TOLD_WITHIN = 60
LOOK_EVERY = 0.5
# An order that the engine has lost, or that stood still in it, is undone by the watchdog: right, but not what for.
UNWISHED_OF_ALL = 0.05


def play(stack: Stack, console: Console, orders: int, seed: int) -> bool:
    """Brings the lab up, plays, prints; whether every order was delivered or undone, once, and none is stuck."""
    apps = runfile.select(runfile.read_apps(stack), ["pizza"])
    lifecycle.up(stack, apps, console, env=SETTINGS)
    chance, closed = Random(seed), threading.Event()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    with httpx.Client(timeout=15, limits=limits) as http, ThreadPoolExecutor(orders) as pool:
        url = runfile.find(apps, "pizza-workflow").url
        customers = [Customer(Plan.of(number, chance), http, url, closed) for number in range(1, orders + 1)]
        begin = time.monotonic()
        try:
            visits = _kill_each(stack, console, apps, _victims(stack, apps, chance), customers, pool, chance)
            while not all(visit.done() for visit in visits):
                _bring_back(stack, console, apps, begin)
                time.sleep(LOOK_EVERY)
            for visit in visits:
                visit.result()
        finally:
            # After an interruption nobody waits for a customer who waits for what will not come back.
            closed.set()
        audit = Audit(http, apps, customers)
        # The events of the last orders may still be on their way to pizza-order.
        wait_until(lambda: not audit.late(), TOLD_WITHIN)
        console.print(audit.table())
        wrong, unwished = audit.wrong(), audit.unwished()
        seconds = time.monotonic() - begin
    for line in unwished:
        console.print(f"undone, though its customer would have had it: {line}", highlight=False, markup=False)
    if len(unwished) > UNWISHED_OF_ALL * orders:
        wrong.append(f"{len(unwished)} of {orders} orders were undone against their customer's wish")
    for line in wrong:
        console.print(f"wrong: {line}", highlight=False, markup=False)
    vain = sum(customer.asked_in_vain for customer in customers)
    console.print(f"{orders} orders, seed {seed}: {audit.summary()}, in {seconds:.0f} s.", highlight=False)
    console.print(f"Customers asked {vain} times in vain. {len(wrong)} things are wrong.", highlight=False)
    return not wrong


def _victims(stack: Stack, apps: Sequence[App], chance: Random) -> list[tuple[str, bool]]:
    """Everything that runs, each once, in the seed's order: its name, and whether its sidecar is meant."""
    victims = [(app.app_id, sidecar) for app in apps for sidecar in (False, True)]
    victims += [(name, False) for name in infrastructure.names(stack)]
    chance.shuffle(victims)
    return victims


def _kill_each(
    stack: Stack,
    console: Console,
    apps: Sequence[App],
    victims: Sequence[tuple[str, bool]],
    customers: Sequence[Customer],
    pool: ThreadPoolExecutor,
    chance: Random,
) -> list[Future[None]]:
    """Kills and restarts one after the other, while more and more customers come; returns their visits.

    An app comes back under its living sidecar, and a sidecar beside its living app, as in Kubernetes.
    """
    begin = time.monotonic()
    visits: list[Future[None]] = []
    for number, (name, sidecar) in enumerate(victims, 1):
        # The same number comes before each kill, and the last of them before the last.
        coming = customers[len(visits) : -(-len(customers) * number // len(victims))]
        visits += [pool.submit(customer.visit, ENDED_WITHIN) for customer in coming]
        # The moment of a kill is chance: these two wait for nothing.
        time.sleep(chance.uniform(*PAUSE))
        _bring_back(stack, console, apps, begin)
        in_flight = sum(not visit.done() for visit in visits)
        at = time.monotonic() - begin
        control.kill(stack, name, sidecar=sidecar)
        time.sleep(chance.uniform(*DOWN))
        try:
            control.restart(stack, name, sidecar=sidecar, keep_sidecar=not sidecar)
        except LabError:
            # pizza-workflow ends a sidecar that does not let it in (lockout.py).
            if not _bring_back(stack, console, apps, begin):
                raise
        victim = f"{name}'s sidecar" if sidecar else name
        again = time.monotonic() - begin
        line = f"{at:6.1f} s  kill -9 {victim:26} {in_flight:3} in flight, back at {again:6.1f} s"
        console.print(line, highlight=False)
    return visits


def _bring_back(stack: Stack, console: Console, apps: Sequence[App], begin: float) -> bool:
    """Restarts what ended without having been killed, as Kubernetes does with every container; whether there was any.

    Seen of the sidecar of Dapr 1.18.0, which panics when an actor is moved away from it while its workflow ends
    (`handleRetention` in pkg/actors/targets/workflow/orchestrator/run.go), and of its scheduler, which once lost count
    of a job ("counter not found for modRevision"); `dapr init` has that one started again too.
    """
    ended = missing(stack, apps)
    for part in ended:
        at = time.monotonic() - begin
        part.start_again(stack)
        again = time.monotonic() - begin
        console.print(f"{at:6.1f} s  {part} ended by itself, back at {again:6.1f} s", highlight=False)
    return bool(ended)
