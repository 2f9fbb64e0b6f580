"""Start a run once, show it, and raise its events.

An instance id alone is no idempotency key: Dapr runs a finished workflow again under the same id. So a run is claimed
in the state store first, by a write that succeeds only if the key does not exist.
"""

from typing import Any
from uuid import uuid4

from pydantic import BaseModel
from pydantic_core import from_json

from deeds import Deeds, Record, key_of
from kit.edge.problems import Refused
from kit.engine.instances import AlreadyActive, Instances, NoInstance
from kit.sidecar.store import Conflict
from models import PatternInput, Run, Started
from pattern import Pattern


class Runs:
    """The runs of all patterns. Any method may raise Unavailable."""

    def __init__(self, deeds: Deeds, instances: Instances) -> None:
        self._deeds, self._records, self._instances = deeds, deeds.records, instances

    async def start(self, pattern: Pattern, asked: PatternInput) -> Started:
        """Start a run. Raise Refused if its id is taken.

        A start that died between its claim and the workflow may be repeated with the same input.
        """
        _refuse_unknown_steps(asked)
        run = asked.instance_id or f"{pattern.name}-{uuid4().hex[:12]}"
        rules = asked.model_copy(update={"instance_id": run})
        claim = Record(pattern=pattern.name, input=rules.model_dump(mode="json"))
        try:
            await self._records.save(key_of(run), claim, None)
        except Conflict:
            if not await self._may_be_repeated(run, claim):
                raise _taken(run) from None
        try:
            await self._instances.schedule(pattern.name, run, rules)
        except AlreadyActive:
            raise _taken(run) from None
        await self._deeds.change(run, lambda record: record.model_copy(update={"is_scheduled": True}))
        return Started(instance_id=run, pattern=pattern.name)

    async def show(self, run: str) -> Run:
        """Return a run. Raise Refused if there is none."""
        record, state = await self.record(run), await self._instances.state(run)
        if state is not None:
            # Of a run that has ended in between, the record was not whole.
            record = await self.record(run)
        facts = record.model_dump(include={"pattern", "attempts", "deeds"})
        if state is None:
            return Run(instance_id=run, status="removed" if record.is_scheduled else "not_started", **facts)
        failure = state.failure_details
        return Run.model_validate(
            facts
            | {
                "instance_id": run,
                "status": state.runtime_status.name.lower(),
                "note": state.serialized_custom_status or None,
                "result": _json(state.serialized_output),
                "error": failure.message if failure else None,
            }
        )

    async def raise_event(self, run: str, event: str, data: BaseModel) -> None:
        """Raise an event for a run. Raise Refused if it has ended or not started."""
        if await self._instances.has_ended(run):
            raise Refused(409, f"instance_id: {run} has ended.", code="ENDED")
        try:
            await self._instances.raise_event(run, event, data.model_dump(mode="json"))
        except NoInstance:
            raise Refused(409, f"instance_id: {run} is not running.", code="NOT_RUNNING") from None

    async def record(self, run: str) -> Record:
        """Return the record of a run. Raise Refused if there is none."""
        record = (await self._records.get(key_of(run))).value
        if record is None:
            raise Refused(404, f"instance_id: there is no run {run}.")
        return record

    async def _may_be_repeated(self, run: str, claim: Record) -> bool:
        earlier = (await self._records.get(key_of(run))).value
        if earlier is None or earlier.is_scheduled or (earlier.pattern, earlier.input) != (claim.pattern, claim.input):
            return False
        return await self._instances.state(run, payloads=False) is None


def _refuse_unknown_steps(asked: PatternInput) -> None:
    steps = asked.steps()
    unknown = [name for name in asked.fail if name not in steps]
    if unknown:
        known = ", ".join(steps[:20])
        raise Refused(422, f"fail: this pattern has no such step. It has: {known}.", errors=[_no_step(unknown[0])])


def _no_step(name: str) -> dict[str, str]:
    return {"field": f"fail.{name}", "message": "There is no such step"}


def _taken(run: str) -> Refused:
    return Refused(409, f"instance_id: {run} is taken. Choose another one.", code="TAKEN")


def _json(serialized: str | None) -> Any:
    return from_json(serialized) if serialized else None
