"""The rules by which events change an order. Nothing is stored here."""

from models import KnownOrder, OrderEvent, OrderRecord, OrderState, RecordedChange, StatusChange, StatusEntry

# Number of earlier runs of one order id that are remembered, to drop their late events.
RUNS_KEPT = 50


class AnotherRun(Exception):
    """An event of one run arrived during another. One of them is wrong, and this service cannot know which."""

    def __init__(self, record: OrderRecord, run: str) -> None:
        super().__init__(f"order {record.order_id} is in run {record.run}; an event of run {run} has no place in it.")


def is_final(record: OrderRecord) -> bool:
    """Return whether the run has ended."""
    return any(change.final for change in record.changes)


def enter(record: OrderRecord, event: OrderEvent) -> bool:
    """Enter an event into its order. Return False if it changes nothing. Raise AnotherRun.

    Events arrive repeatedly and out of order: the id shows a duplicate, the sequence gives the order. Events of a run
    that was deleted, or that another run has followed, are too late.
    """
    data = event.data
    if data.run in record.ended_runs or any(change.event_id == event.id for change in record.changes):
        return False
    if record.run != data.run:
        if record.run is not None:
            if not is_final(record):
                raise AnotherRun(record, data.run)
            end_run(record)
        record.run = data.run
        record.deleted = False
    change = StatusChange.model_validate(data, from_attributes=True)
    record.changes.append(RecordedChange(event_id=event.id, **change.model_dump()))
    record.changes.sort(key=lambda change: change.sequence)
    if data.order:
        # Events have no customer. It is known if the order was stored before.
        customer = record.order.customer if record.order else None
        record.order = KnownOrder(**data.order.model_dump(), customer=customer)
    return True


def end_run(record: OrderRecord) -> None:
    """Remove a run and its order, with the customer's data. Keep the run's name, to drop its late events."""
    if record.run is not None:
        record.ended_runs = [*record.ended_runs, record.run][-RUNS_KEPT:]
    record.run, record.order, record.changes = None, None, []


def state_of(record: OrderRecord) -> OrderState:
    """Return an order as the API shows it."""
    last = record.changes[-1] if record.changes else None
    return OrderState(
        order_id=record.order_id,
        status=last.status if last else "stored",
        step=last.step if last else None,
        attempt=last.attempt if last else None,
        run=record.run,
        ended_run=record.ended_runs[-1] if record.ended_runs else None,
        final=is_final(record),
        order=record.order,
        timeline=[StatusEntry.model_validate(change, from_attributes=True) for change in record.changes],
    )
