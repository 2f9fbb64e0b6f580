"""The story of an order.

Today's code replays the orders that are running, so a change must not alter the steps that they did
(tests/test_replay.py). So each order has in its input the version with which it started, and keeps it to its end.
"""

from datetime import timedelta

from dapr.ext.workflow import TaskFailedError

from kit.engine.context import Context, Steps
from messages import VERSION, Checked, CompensationInput, OrderInput, RemoteCheck, Verdict, read
from order_run import OrderEnded, OrderRun, reason_of

VALIDATED = "ValidationComplete"
# Statuses are numbered. A second workflow of a run and a forced cancellation count from numbers that the first one
# cannot reach.
AFTER_THE_FIRST, AFTER_EVERYTHING = 500, 1000


class NewerVersion(Exception):
    """A later version of this service started the order. It fails, and is restarted (rescue/watchdog.py)."""


def pizza_workflow(ctx: Context, order: OrderInput) -> Steps:
    """Bring an order from the storefront to the customer's door, or compensate what was done for it.

    Raise NewerVersion.
    """
    if order.version > VERSION:
        raise NewerVersion(f"version {order.version} is not known here, where the last is {VERSION}")
    run = OrderRun(ctx, order, AFTER_THE_FIRST if order.resumed else 0)
    run.watch()
    try:
        yield from run.do("order_pizza")
        run.change_status("confirmed")
        yield from cook_until_approved(run)
        delivery = yield from run.do("deliver_pizza", "delivering")
        return (yield from run.end("delivered", delivery_result=delivery))
    except OrderEnded as end:
        status, reason = end.status, str(end)
    except TaskFailedError as error:
        status, reason = "failed", f"{run.step} failed: {reason_of(error)}"

    yield from run.compensate(*run.compensations)
    return (yield from run.end(status, reason))


def cook_until_approved(run: OrderRun) -> Steps:
    """Cook pizzas until one is approved. Raise OrderEnded when the last one allowed is rejected."""
    first = run.input.resumed.attempt if run.input.resumed else 1
    # The first workflow of the run may have failed before it discarded the rejected pizzas.
    yield from run.compensate(*[("discard_pizza", attempt) for attempt in range(1, first)])
    for attempt in range(first, run.rules.pizzas + 1):
        run.attempt = attempt
        yield from run.do("cook_pizza", "cooking")
        run.change_status("cooked")

        quality = yield from check_quality(run)
        if (yield from validated(run, quality)):
            run.change_status("approved")
            return
        run.change_status("rejected")
        if run.attempt < run.rules.pizzas:
            yield from run.compensate(run.compensations.pop())
    raise OrderEnded("failed", f"all {run.rules.pizzas} pizzas were rejected")


def check_quality(run: OrderRun) -> Steps:
    """Return the kitchen's report on its pizza, or after `quality_check_seconds` that there is none.

    The check is an activity of another app. While that app has no worker Dapr cannot dispatch it. Dapr then holds back
    the whole turn that asked for it, with its timers and events (FAULTS.md). So a child workflow waits for the kitchen,
    and this one for the child or the timer.
    """
    run.enter("quality_check")
    check = run.ctx.call_child_workflow("quality_check_workflow", input=run.remote_check())
    timer = run.ctx.create_timer(timedelta(seconds=run.rules.quality_check_seconds))
    first = yield from run.first_of(check, timer)
    if first is timer:
        return "not checked: the kitchen did not answer in time"
    if first.is_failed:
        return "not checked: the check failed"
    # An error here would fail the order without compensating it: nothing above catches it.
    checked = read(Checked, first.get_result())
    if checked is None:
        return "not checked: the check's answer cannot be read"
    return f"{'passed' if checked.passed else 'not passed'}: {checked.note}"


def validated(run: OrderRun, quality: str) -> Steps:
    """Wait until a user approves (True) or rejects (False) this pizza. Raise OrderEnded if nobody does in time.

    In the second workflow of a run (rescue/watchdog.py) the verdict may be there already.
    """
    earlier = yield from run.wait_for_validation(quality)
    if verdict := read(Verdict, earlier):
        return verdict.approved

    until = run.ctx.current_utc_datetime + timedelta(seconds=run.rules.validation_seconds)
    while True:
        event = run.ctx.wait_for_external_event(VALIDATED, timeout=until)
        yield from run.first_of(event)
        if event.is_failed:
            raise OrderEnded("expired", f"not validated within {run.rules.validation_seconds:g} s")
        verdict = read(Verdict, event.get_result())
        # The second click of a double click must not approve the next pizza.
        if verdict and (verdict.run, verdict.attempt) == (run.input.run, run.attempt):
            return verdict.approved


def quality_check_workflow(ctx: Context, remote: RemoteCheck) -> Steps:
    """Check a pizza in the kitchen's own app. Wait while the kitchen is away."""
    retry = remote.retry.policy()
    return (yield ctx.call_activity("quality_check", input=remote.check, app_id=remote.app_id, retry_policy=retry))


def compensation_workflow(ctx: Context, compensation: CompensationInput) -> Steps:
    """Stop an order and compensate each step that it may have done: each service compensates a step once, done or not.

    An order that ended before it could be stopped is left as it is: delivered, or compensated by its own workflow.
    """
    run = OrderRun(ctx, compensation.of, AFTER_EVERYTHING)
    if (yield from run.stop()) == "COMPLETED":
        error = "the order had ended before it was stopped"
        return {"order_id": run.order.order_id, "status": "failed", "error": error}

    pizzas = [("discard_pizza", attempt) for attempt in range(1, run.rules.pizzas + 1)]
    yield from run.compensate(("cancel_order", 1), ("refund_order", 1), *pizzas, ("recall_delivery", 1))
    return (yield from run.end("cancelled", compensation.reason))


WORKFLOWS = (pizza_workflow, quality_check_workflow, compensation_workflow)
