"""All patterns by name."""

from kit.edge.problems import Refused
from models import PatternShown
from pattern import Pattern
from patterns import approval, chaining, children, fan_out, monitor, multi_app, retries, saga, versioning

_MODULES = (chaining, fan_out, monitor, approval, children, saga, retries, multi_app, versioning)
PATTERNS = {module.PATTERN.name: module.PATTERN for module in _MODULES}


def named(name: str) -> Pattern:
    """Return a pattern. Raise Refused."""
    if name not in PATTERNS:
        raise Refused(404, f"name: there is no such pattern. These exist: {', '.join(PATTERNS)}.")
    return PATTERNS[name]


def shown() -> list[PatternShown]:
    """Return all patterns as GET /patterns lists them."""
    return [
        PatternShown(name=one.name, about=one.about, events=list(one.events), input=one.input.model_json_schema())
        for one in PATTERNS.values()
    ]
