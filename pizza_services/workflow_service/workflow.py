"""The story of an order.

A change must let orders that are under way replay what they did: tests/test_replay.py holds it to that. So each order
has the version by which it began in its input, and goes by that to its end:

1. without the kitchen's check;
2. with it. Orders of these two have no number: whether the check is theirs, the engine knows (`is_patched`);
3. the same. A workflow that was ever asked `is_patched` is held for good by Dapr 1.18.0 when a result comes after its
   end (tests/runtime/pizza/test_pizza_late_results.py): hence the number.
"""

from datetime import timedelta
from typing import Any

from dapr.ext.workflow import TaskFailedError
from pydantic import ValidationError

from durable import Context, Wait
from messages import Checked, Compensation, Done, OrderInput, RemoteCheck, Verdict, WaitingPizza
from order_run import OrderEnded, OrderRun, reason_of

VERSION = 3
VALIDATED = "ValidationComplete"
# What is told has a number. A second workflow of a run, and a forced cancellation, go on counting where those before
# can not have come.
AFTER_THE_FIRST, AFTER_EVERYTHING = 500, 1000


class NewerVersion(Exception):
    """The order was begun by a later version of this service: it fails, and is begun once more (restarts.py)."""


def pizza_workflow(ctx: Context, given: OrderInput) -> Wait:
    """Takes an order from the storefront to the customer's door; what was done is undone when it does not get there.

    Raises NewerVersion.
    """
    if given.version > VERSION:
        raise NewerVersion(f"version {given.version} is not known here, where the last is {VERSION}")
    resumed = given.resumed
    run = OrderRun(ctx, given, AFTER_THE_FIRST, resumed.timeline) if resumed else OrderRun(ctx, given)
    run.watch()
    # Asked here, and not where the check is done: a pause in between hides the answer of `is_patched` from the replay
    # (tests/test_sdk_traps.py).
    checked = given.version >= 3 or ctx.is_patched("quality-check")
    try:
        run.enter("order_pizza")
        yield from run.do("order_pizza", run.here(), run.rules.order_pizza, ("cancel_order", "refund_order"))
        run.tell("confirmed")

        yield from cook_until_approved(run, checked)

        run.enter("deliver_pizza")
        run.tell("delivering")
        delivery = yield from run.do("deliver_pizza", run.here(), run.rules.deliver_pizza, ("recall_delivery",))
        return (yield from run.end("delivered", delivery_result=delivery))
    except OrderEnded as end:
        status, reason = end.status, str(end)
    except TaskFailedError as error:
        status, reason = "failed", reason_of(error, run.step)

    yield from run.undo()
    return (yield from run.end(status, reason))


def cook_until_approved(run: OrderRun, checked: bool) -> Wait:
    """Cooks pizzas until one is approved; raises OrderEnded when the last one allowed is rejected."""
    first = run.given.resumed.attempt if run.given.resumed else 1
    # Those before were rejected in the first workflow of the run, which may have been broken off before this.
    yield from run.undo([("discard_pizza", attempt) for attempt in range(1, first)])
    for attempt in range(first, run.rules.pizzas + 1):
        run.attempt = attempt
        run.enter("cook_pizza")
        run.tell("cooking")
        cooked = yield from run.do("cook_pizza", run.here(), run.rules.cook_pizza, ("discard_pizza",))
        Done.model_validate(cooked)
        run.tell("cooked")

        quality = (yield from check_quality(run)) if checked else ""
        if (yield from validated(run, quality)):
            run.tell("approved")
            return
        run.tell("rejected")
        if run.attempt < run.rules.pizzas:
            yield from run.undo_last()
    raise OrderEnded("failed", f"all {run.rules.pizzas} pizzas were rejected")


def check_quality(run: OrderRun) -> Wait:
    """What the kitchen says of its pizza, or after `quality_check_seconds` that it did not say anything.

    The check is an activity of another app. While no worker of that app is connected Dapr cannot hand it out, and then
    keeps back everything that the same workflow does at that moment, timers and events included. So a child workflow
    waits for the kitchen, and this one for the child or the timer.
    """
    run.enter("quality_check")
    check = run.ctx.call_child_workflow("quality_check_workflow", input=run.check())
    timer = run.ctx.create_timer(timedelta(seconds=run.rules.quality_check_seconds))
    first = yield from run.first_of(check, timer)
    if first is timer:
        return "not checked: the kitchen did not answer in time"
    if first.is_failed:
        return "not checked: the check failed"
    try:
        checked = Checked.model_validate(first.get_result())
    except ValidationError:
        # Nothing above catches it: the order would fail, and what was done for it would stay done.
        return "not checked: the check's answer cannot be read"
    return f"{'passed' if checked.passed else 'not passed'}: {checked.note}"


def validated(run: OrderRun, quality: str) -> Wait:
    """Waits until somebody approves (True) or rejects (False) this pizza; raises OrderEnded when nobody does.

    In the second workflow of a run (restarts.py) somebody may have, before the first was broken off.
    """
    run.enter("validate_pizza")
    waiting = WaitingPizza(order_id=run.order.order_id, run=run.given.run, attempt=run.attempt, quality=quality)
    before = yield from run.do("validate_pizza", waiting, run.rules.validate_pizza)
    run.tell("pending_validation", quality or None)
    if verdict := verdict_in(before):
        return verdict.approved

    until = run.ctx.current_utc_datetime + timedelta(seconds=run.rules.validation_seconds)
    while True:
        event = run.ctx.wait_for_external_event(VALIDATED, timeout=until)
        yield from run.first_of(event)
        if event.is_failed:
            raise OrderEnded("expired", f"not validated within {run.rules.validation_seconds:g} s")
        verdict = verdict_in(event.get_result())
        # The second click of a double click must not approve the next pizza.
        if verdict and (verdict.run, verdict.attempt) == (run.given.run, run.attempt):
            return verdict.approved


def verdict_in(event: Any) -> Verdict | None:
    """The verdict in an event; None if there is none: whoever can reach the sidecar can send one of any form."""
    try:
        return Verdict.model_validate(event)
    except ValidationError:
        return None


def quality_check_workflow(ctx: Context, given: RemoteCheck) -> Wait:
    """Has the kitchen check a pizza, in the kitchen's own app; waits as long as the kitchen is away."""
    retry = given.retry.policy()
    return (yield ctx.call_activity("quality_check", input=given.check, app_id=given.app_id, retry_policy=retry))


def compensation_workflow(ctx: Context, given: Compensation) -> Wait:
    """Stops an order and undoes all that it may have done: each service undoes a step once, done or not yet done.

    An order that came to its own end before it could be stopped is left as it is: delivered, or undone by itself.
    """
    run = OrderRun(ctx, given.of, sequence=AFTER_EVERYTHING)
    run.enter("stop_order")
    ended = yield ctx.call_activity("stop_order", input=run.here(), retry_policy=run.rules.undo.policy())
    # In histories from before the activity answered there is a null, and all was undone.
    if ended == "COMPLETED":
        return {
            "order_id": run.order.order_id,
            "status": "failed",
            "error": "the order had ended before it was stopped",
        }

    begun = [("cancel_order", 1), ("refund_order", 1)]
    begun += [("discard_pizza", attempt) for attempt in range(1, run.rules.pizzas + 1)]
    yield from run.undo([*begun, ("recall_delivery", 1)])
    return (yield from run.end("cancelled", given.reason))


WORKFLOWS = (pizza_workflow, quality_check_workflow, compensation_workflow)
