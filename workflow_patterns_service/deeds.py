"""The record of each run in the state store: its claim, the attempts of its steps, and the deeds.

To add a step's name to the deeds is to do the step. The ETag makes sure that it happens once, however often the
activity runs.
"""

import asyncio
from collections.abc import Callable

from pydantic import BaseModel, Field, JsonValue

from kit.sidecar.store import StateStore
from models import Step


class StepFailed(Exception):
    """A step failed, as the run's input wants it."""


class Record(BaseModel):
    """A run, stored outside its workflow."""

    pattern: str
    input: dict[str, JsonValue]
    is_scheduled: bool = False
    attempts: dict[str, int] = Field(default={})
    deeds: list[str] = Field(default=[])


class Deeds:
    """Do the steps of all runs. Any method may raise Unavailable."""

    def __init__(self, records: StateStore[Record]) -> None:
        self.records = records

    async def do(self, step: Step) -> None:
        """Do a step once. Raise StepFailed for the attempts that must fail."""
        attempt = await self.count(step)
        if attempt <= step.fails:
            raise StepFailed(f"{step.name} failed (attempt {attempt})")
        await asyncio.sleep(step.seconds)
        await self.change(step.run, lambda found: _with_deed(found, step))

    async def count(self, step: Step) -> int:
        """Count an attempt of a step. Return the number of its attempts so far."""
        record = await self.change(step.run, lambda found: _with_attempt(found, step.name))
        return record.attempts[step.name]

    async def change(self, run: str, edit: Callable[[Record], Record]) -> Record:
        """Change the record of a run. Raise LookupError if it has none."""
        changed = await self.records.change(key_of(run), lambda found: edit(found) if found else None)
        if changed is None:
            raise LookupError(f"run {run} has no record")
        return changed


def key_of(run: str) -> str:
    """Return the key of a run's record."""
    return f"run:{run}"


def _with_attempt(record: Record, name: str) -> Record:
    return record.model_copy(update={"attempts": record.attempts | {name: record.attempts.get(name, 0) + 1}})


def _with_deed(record: Record, step: Step) -> Record:
    if step.name in record.deeds or step.unless in record.deeds:
        return record
    return record.model_copy(update={"deeds": [*record.deeds, step.name]})
