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

# Shorter than in the lab, so that orders are in flight at every step at once. All times are in seconds.
SETTINGS = {
    "STEP_SECONDS": "1",
    "RULES__DEADLINE_SECONDS": "240",
    "WATCH_EVERY_SECONDS": "30",
    "WATCH_IDLE_SECONDS": "30",
    "WATCH_GRACE_SECONDS": "60",
}
PAUSE = (0.5, 3.0)
DOWN = (0.0, 2.0)
# An outage may cost each step of an order 22 s without a scheduler, and pauses of up to 10 s between its attempts. The
# watchdog finds a stalled order after 300 s. The rest of the time is for its compensation.
ENDED_WITHIN = 420
RECEIVED_WITHIN = 60
LOOK_EVERY = 0.5
# The watchdog compensates an order that the engine has lost or stalled. That is right, but must be rare.
UNWANTED_OF_ALL = 0.05


def play(stack: Stack, console: Console, orders: int, seed: int) -> bool:
    """Start the lab, kill each process, audit. Return whether every order was delivered or compensated exactly once."""
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
            # After an interruption the customers must not wait for services that will not return.
            closed.set()
        audit = Audit(http, apps, customers)
        # The events of the last orders may still be on their way to pizza-order.
        wait_until(lambda: not audit.late(), RECEIVED_WITHIN)
        console.print(audit.table())
        wrong, unwanted = audit.wrong(), audit.unwanted()
        seconds = time.monotonic() - begin
    for line in unwanted:
        console.print(f"not delivered, although its customer wanted it: {line}", highlight=False, markup=False)
    if len(unwanted) > UNWANTED_OF_ALL * orders:
        wrong.append(f"{len(unwanted)} of {orders} orders were not delivered although their customers wanted them")
    for line in wrong:
        console.print(f"wrong: {line}", highlight=False, markup=False)
    repeated = sum(customer.repeated for customer in customers)
    console.print(f"{orders} orders, seed {seed}: {audit.summary()}, in {seconds:.0f} s.", highlight=False)
    console.print(f"{repeated} calls failed and were repeated. {len(wrong)} things are wrong.", highlight=False)
    return not wrong


def _victims(stack: Stack, apps: Sequence[App], chance: Random) -> list[tuple[str, bool]]:
    """Return each process once, in the seed's order: the name, and whether it is the sidecar of that app."""
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
    """Kill and restart one process after the other while more and more customers arrive. Return their visits.

    An app restarts under its running sidecar, and a sidecar beside its running app, as in Kubernetes.
    """
    begin = time.monotonic()
    visits: list[Future[None]] = []
    for number, (name, sidecar) in enumerate(victims, 1):
        # The same number of customers arrives before each kill.
        arriving = customers[len(visits) : -(-len(customers) * number // len(victims))]
        visits += [pool.submit(customer.visit, ENDED_WITHIN) for customer in arriving]
        # The moment of a kill is random. These two sleeps wait for nothing.
        time.sleep(chance.uniform(*PAUSE))
        _bring_back(stack, console, apps, begin)
        in_flight = sum(not visit.done() for visit in visits)
        at = time.monotonic() - begin
        control.kill(stack, name, sidecar=sidecar)
        time.sleep(chance.uniform(*DOWN))
        try:
            control.restart(stack, name, sidecar=sidecar, keep_sidecar=not sidecar)
        except LabError:
            # pizza-workflow shuts down a sidecar that accepts no worker.
            if not _bring_back(stack, console, apps, begin):
                raise
        victim = f"{name}'s sidecar" if sidecar else name
        again = time.monotonic() - begin
        line = f"{at:6.1f} s  kill -9 {victim:26} {in_flight:3} in flight, back at {again:6.1f} s"
        console.print(line, highlight=False)
    return visits


def _bring_back(stack: Stack, console: Console, apps: Sequence[App], begin: float) -> bool:
    """Restart every process that crashed, as Kubernetes does. Return whether there was any.

    A sidecar of Dapr may panic when an actor moves away while its workflow ends (`handleRetention` in
    pkg/actors/targets/workflow/orchestrator/run.go). The scheduler once lost count of a job ("counter not found for
    modRevision").
    """
    ended = missing(stack, apps)
    for part in ended:
        at = time.monotonic() - begin
        part.start_again(stack)
        again = time.monotonic() - begin
        console.print(f"{at:6.1f} s  {part} crashed, back at {again:6.1f} s", highlight=False)
    return bool(ended)
