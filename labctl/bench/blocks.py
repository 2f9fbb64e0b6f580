"""./lab bench blocks: the price of each building block, as a multiple of the thing under it.

    | rows | ratio to | what they add to it |
    |---|---|---|
    | `state_get_…`, `state_save_…` | `redis_get`, `redis_set` (redis-py) | the sidecar, and an ETag for each key |
    | `publish_…` | `redis_xadd` | the sidecar, and the CloudEvent around the data |
    | `publish_bulk_sdk` | `redis_xadd` | the same, by 100 events in one call; the figures are those of one event |
    | `lock_…` | `redis_lock`: SET NX, then DEL | the sidecar, and the check of the owner |
    | `actor_…` | `invoke_http`: a route, called through the sidecar | the actor's lock and its placement |
    | `event_handled`, `job_fired`, `workflow_done` | `invoke_http` | Redis; the scheduler; both, and an activity |

`direct` calls that route without a sidecar. `…_http` rows use aiohttp with one session, `…_sdk` rows the SDK's
asynchronous client: gRPC, except for actors. Client, app and handlers are one process (bench/baselines/bare_blocks.py)
with one sidecar, and one call is in flight. The rows take turns in short slices. The last three rows end when the
handler was called, or the workflow is known to have completed.
"""

from __future__ import annotations

from statistics import median

import httpx
from rich.console import Console

from labctl import runfile
from labctl.bench.baselines import FOLDER, RUN_FILE
from labctl.bench.report import Result, Target, row_of_turns
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.stack import Stack
from labctl.up import lifecycle

# Each limit, and the rows that are compared with it.
LIMITS = {
    "redis_get": ("state_get_http", "state_get_sdk"),
    "redis_set": ("state_save_http", "state_save_sdk"),
    "redis_xadd": ("publish_http", "publish_sdk", "publish_bulk_sdk"),
    "redis_lock": ("lock_http", "lock_sdk"),
    "invoke_http": ("direct", "actor_http", "actor_sdk", "event_handled", "job_fired", "workflow_done"),
}
ROWS = [name for limit, rows in LIMITS.items() for name in (limit, *rows)]
SLICE = 0.5  # seconds
FEWEST_ROUNDS = 3
BULK_TO_SINGLE = 0.5
ACTOR_TO_INVOCATION = 3.0

_PATIENCE = 90  # seconds for one slice, or for one callback that does not arrive


def measure(stack: Stack, console: Console, seconds: float, _full: bool) -> Result:
    """Measure each row for `seconds`, one slice in each round."""
    steps = Steps(console)
    app = runfile.find(runfile.read_apps(stack, RUN_FILE), "bare-blocks")
    redis = {"REDIS_PORT": str(stack.ports["redis"])}
    lifecycle.up(stack, [app], console, resources=[FOLDER / "components"], env=redis)
    took: dict[str, list[float]] = {name: [] for name in ROWS}
    rounds = max(FEWEST_ROUNDS, round(seconds / SLICE))
    with httpx.Client(base_url=app.url, timeout=_PATIENCE) as http:
        with steps.step("warm-up"):
            for name in ROWS:
                _slice(http, name, 0)
        with steps.step(f"{len(ROWS)} rows, {rounds} slices each", total=len(ROWS) * rounds) as advance:
            for _ in range(rounds):
                for name in ROWS:
                    took[name] += _slice(http, name, seconds / rounds)
                    advance()
    return result(took)


def _slice(http: httpx.Client, name: str, seconds: float) -> list[float]:
    """Return the seconds of each call of one slice. Raise LabError when one failed."""
    answer = http.post(f"/measure/{name}", params={"seconds": seconds})
    if not answer.is_success:
        raise LabError(f"{name} failed, so there is no figure for it. See ./lab logs of the bench.")
    return answer.json()


def result(took: dict[str, list[float]]) -> Result:
    """Return the rows and targets of these calls, in seconds by row."""
    middle = {name: median(calls) for name, calls in took.items()}
    limit_of = {name: limit for limit, rows in LIMITS.items() for name in (limit, *rows)}
    rows = [
        row_of_turns(name, 1, took[name], middle[name] / middle[limit_of[name]], calls_per_second=1 / middle[name])
        for name in ROWS
    ]
    bulk = middle["publish_bulk_sdk"] / middle["publish_sdk"]
    actor = middle["actor_http"] / middle["invoke_http"]
    targets = [
        Target("an event of a bulk publish to a single one", BULK_TO_SINGLE, bulk, at_most=True),
        Target("an actor call to an invocation", ACTOR_TO_INVOCATION, actor, at_most=True),
    ]
    return Result("ratio: of the p50 to that of the redis row above; from invoke_http on, to its p50", rows, targets)
