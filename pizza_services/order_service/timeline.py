"""What an event means for an order: pure rules, of which nothing is saved here."""

from models import Heard, Moment, OrderEvent, OrderRecord, OrderState, StatusChange

# How many earlier runs of one order id are remembered, for events that come late.
RUNS_KEPT = 50


class RunUnderWay(Exception):
    """An event of another run, while one is under way: one of the two is wrong, and this service cannot tell which."""

    def __init__(self, record: OrderRecord, run: str) -> None:
        super().__init__(f"Order {record.order_id} is in run {record.run}; an event of run {run} has no place in it.")


def is_final(record: OrderRecord) -> bool:
    """Whether the run has told its end."""
    return any(heard.final for heard in record.heard)


def hear(record: OrderRecord, event: OrderEvent) -> bool:
    """Enters an event into its order; False if there is nothing to change. Raises RunUnderWay.

    Events come repeatedly and in any order: the id tells repetitions, the sequence the order. Those of a run that was
    deleted, or followed by another, came too late.
    """
    told = event.data
    if told.run in record.ended_runs or any(heard.event_id == event.id for heard in record.heard):
        return False
    if record.run != told.run:
        if record.run is not None:
            if not is_final(record):
                raise RunUnderWay(record, told.run)
            end_run(record)
        record.run = told.run
        record.deleted = False
    change = StatusChange.model_validate(told, from_attributes=True)
    record.heard.append(Heard(event_id=event.id, **change.model_dump()))
    record.heard.sort(key=lambda heard: heard.sequence)
    record.order = told.order or record.order
    return True


def end_run(record: OrderRecord) -> None:
    """Forgets a run and what was ordered, but for the run's name, so that its late events change nothing any more."""
    if record.run is not None:
        record.ended_runs = [*record.ended_runs, record.run][-RUNS_KEPT:]
    record.run, record.order, record.heard = None, None, []


def state(record: OrderRecord) -> OrderState:
    """An order as its readers see it."""
    last = record.heard[-1] if record.heard else None
    return OrderState(
        order_id=record.order_id,
        status=last.status if last else "stored",
        step=last.step if last else None,
        attempt=last.attempt if last else None,
        run=record.run,
        ended_run=record.ended_runs[-1] if record.ended_runs else None,
        final=is_final(record),
        order=record.order,
        timeline=[
            Moment(status=heard.status, at=heard.at, attempt=heard.attempt, step=heard.step, note=heard.note)
            for heard in record.heard
        ],
    )
