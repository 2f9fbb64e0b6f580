"""The parts of a pattern that the service registers: each file in `patterns/` ends with one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from deeds import Deeds
from kit.engine.instances import Instances
from kit.engine.worker import Activity, Version, Workflow
from models import PatternInput


@dataclass(frozen=True)
class Tools:
    """What activities work with."""

    deeds: Deeds
    instances: Instances


@dataclass(frozen=True)
class Pattern:
    """A pattern. Its first workflow, which has the pattern's name, starts each run."""

    name: str
    about: str
    input: type[PatternInput]
    workflows: Sequence[Workflow | Version]
    activities: Callable[[Tools], Sequence[Activity]]
    # The events that a run waits for, with their data.
    events: Mapping[str, type[BaseModel]] = field(default_factory=dict[str, type[BaseModel]])
