"""What a reader meets: each lab's reading path, and how large each service, file and function may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house.repository import ROOT, below, files, text
from tests.house.words import is_copy

MOST_FILES, MOST_LINES = 5, 450  # of one reading path: ten minutes at 45 lines a minute
LONGEST_MAIN, LONGEST_IN_MAIN, LONGEST_FILE = 180, 30, 250  # lines
MOST_PYTHON = 67_300  # lines that people maintain: the kit once, no generated file, tests included

# Python files at the top level of a service; folders, tests and the kit do not count. The first is for a new service.
MOST_ON_TOP = 10
ON_TOP = {
    "callee_service": 5,
    "caller_service": 7,
    "scheduler_app": 9,
    "chat_service": 12,
    "agent_memory_service": 9,
    "pizza_services/order_service": 7,
    "pizza_services/storefront_service": 7,
    "pizza_services/kitchen_service": 7,
    "pizza_services/delivery_service": 7,
    "pizza_services/workflow_service": 10,
    "workflow_patterns_service": 9,
}


@dataclass(frozen=True)
class ReadingPath:
    """The files of a lab's story in reading order, and the page that lists them."""

    page: Path
    files: tuple[Path, ...]


def _path(page: str, *names: str) -> ReadingPath:
    return ReadingPath(Path("docs/labs") / page, tuple(Path(name) for name in names))


_PIZZA, _PATTERNS = "pizza_services/workflow_service", "workflow_patterns_service"
READING_PATHS = {
    "invocation": _path(
        "1-service-invocation.md",
        "callee_service/main.py",
        "caller_service/main.py",
        "caller_service/callee.py",
        "caller_service/answers.py",
    ),
    "jobs": _path("2-jobs.md", *(f"scheduler_app/{name}.py" for name in ("main", "jobs", "scheduling"))),
    "chat": _path(
        "3-chat-memory.md",
        *(f"chat_service/{name}.py" for name in ("chat", "workflow", "activities")),
        "agent_memory_service/recording.py",
    ),
    "pizza": _path("4-pizza.md", *(f"{_PIZZA}/{name}.py" for name in ("workflow", "order_run", "activities"))),
    "blocks": _path(
        "5-building-blocks.md",
        "task_services/task_service/main.py",
        *(f"task_services/task_service/blocks/{name}.py" for name in ("state", "outbox", "subscribing", "invocation")),
    ),
    "patterns": _path(
        "6-workflow-patterns.md",
        *(f"{_PATTERNS}/patterns/{name}.py" for name in ("saga", "monitor", "multi_app")),
        *(f"{_PATTERNS}/{name}.py" for name in ("runs", "deeds")),
    ),
}


def lines(path: Path) -> int:
    """Count the lines of a file."""
    return len(text(path).splitlines())


def on_top(service: Path) -> list[Path]:
    """Return the Python files at the top level of a service."""
    return [path for path in below(service) if path.suffix == ".py" and path.parent == service]


def maintained(service: Path) -> list[Path]:
    """Return the Python files of a service without its tests, its copy of the kit and generated files."""
    mine = [path for path in below(service) if path.suffix == ".py" and not is_copy(path)]
    return [path for path in mine if "tests" not in path.relative_to(service).parts]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each function of a file with its length in lines, from `def` to its end."""
    for node in ast.walk(ast.parse(text(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def over_path_budget(path: ReadingPath) -> list[str]:
    """Return the budgets that a reading path exceeds."""
    missing = [str(one) for one in path.files if not (ROOT / one).is_file()]
    if missing:
        return [f"there is no {one}" for one in missing]
    total = sum(lines(one) for one in path.files)
    long = [f"{total} lines, at most {MOST_LINES}"] if total > MOST_LINES else []
    return long + ([f"{len(path.files)} files"] if len(path.files) > MOST_FILES else [])


def over_service_budget(service: Path) -> list[str]:
    """Return the budgets that a service exceeds."""
    found: list[str] = []
    top, most = on_top(service), ON_TOP.get(service.as_posix(), MOST_ON_TOP)
    if len(top) > most:
        found.append(f"{len(top)} files on top, at most {most}: {', '.join(one.name for one in top)}")
    found += [
        f"{path.relative_to(service)}: {lines(path)} lines, at most {LONGEST_FILE}"
        for path in maintained(service)
        if lines(path) > LONGEST_FILE
    ]
    main = service / "main.py"
    if lines(main) > LONGEST_MAIN:
        found.append(f"main.py: {lines(main)} lines, at most {LONGEST_MAIN}")
    found += [
        f"main.py: {name} has {length} lines, at most {LONGEST_IN_MAIN}"
        for name, length in functions(main)
        if length > LONGEST_IN_MAIN
    ]
    return found + [f"{path.name}: generated, so it belongs into a folder" for path in top if "_pb2" in path.name]


def python_lines() -> int:
    """Count the Python lines that people maintain."""
    return sum(lines(path) for path in files() if path.suffix == ".py" and not is_copy(path))
