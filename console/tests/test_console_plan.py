"""The records of Dapr's scheduler, as its etcd has them, and the next firing that follows from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.jobs.messages import Counter, Job
from console.jobs.planned import Plan, Planned, after, of_record, of_records
from console.jobs.schedules import following
from console.pages.kept.jobs import row_of, sentence

START = datetime(2026, 12, 1, 11, 27, 37, 528_302, UTC)
# As the scheduler of Dapr 1.18 wrote them: `@every 20s`, 100 times, and 3 firings.
RECORD = (
    b"\x08\xdd\xdd\xc3\xbe\xa2\x82\xcb\xea\xc9\x01*\x0e\n\n@every 20s d"
    b"\x12\x0c\x08\xa9\xde\xba\xd8\x06\x10\xe0\x83\xf5\xfb\x01"
)
COUNTER = RECORD[:11] + b"\x10\x03\x1a\x0c\x08\xe5\xde\xba\xd8\x06\x10\xe0\x83\xf5\xfb\x01"
ONE = Planned("workflow", "app", "a b::1::1", "run-activity", "", START, 0, 1, 0, None)
NAME = "app||default||scheduler-test-py||report"


def record(schedule: str = "", repeats: int | None = None, **times: datetime) -> bytes:
    job: Any = Job()
    job.partition_id = 1
    if schedule:
        job.job.schedule = schedule
    if repeats is not None:
        job.job.repeats = repeats
    for name, moment in times.items():
        getattr(job, name).FromDatetime(moment)
    return job.SerializeToString()


def test_a_job_that_fired_is_due_one_interval_after_its_last_firing() -> None:
    job = of_record(NAME, RECORD, COUNTER)
    assert (job.kind, job.owner, job.name) == ("job", "scheduler-test-py", "report")
    assert (job.schedule, job.fired, job.left) == ("@every 20s", 3, 97)
    assert job.following == START + timedelta(seconds=80)


def test_a_job_that_never_fired_is_due_one_interval_after_its_start() -> None:
    assert of_record(NAME, RECORD).following == START + timedelta(seconds=20)


def test_the_counter_of_an_earlier_job_of_that_name_does_not_count() -> None:
    other: Any = Counter(job_partition_id=2, count=9)
    assert of_record(NAME, RECORD, other.SerializeToString()).fired == 0


def test_a_job_is_due_at_its_due_time_and_not_after_it_expires() -> None:
    once = of_record(NAME, record(due_time=START))
    assert (once.following, once.left, once.schedule) == (START, 1, "")
    endless = of_record(NAME, record("@every 1h", start=START))
    assert endless.left is None
    ending = of_record(NAME, record("@every 1h", start=START, expiration=START + timedelta(minutes=5)))
    assert ending.following is None


@pytest.mark.parametrize(
    ("schedule", "moment"),
    [
        ("@every 1m30s", datetime(2026, 12, 1, 11, 29, 7, 528_302, UTC)),
        ("@hourly", datetime(2026, 12, 1, 12, 0, tzinfo=UTC)),
        ("0 30 8 * * MON-FRI", datetime(2026, 12, 2, 8, 30, tzinfo=UTC)),
        ("*/10 * * * * ?", datetime(2026, 12, 1, 11, 27, 40, tzinfo=UTC)),
        ("TZ=Europe/Berlin 0 30 8 * * *", datetime(2026, 12, 2, 7, 30, tzinfo=UTC)),
        ("CRON_TZ=Asia/Tokyo 0 0 0 * * *", datetime(2026, 12, 1, 15, 0, tzinfo=UTC)),
        ("@every soon", None),
        ("30 8 * * *", None),
        ("TZ=No/Where 0 30 8 * * *", None),
        ("every day", None),
        ("", None),
    ],
)
def test_a_schedule_gives_the_next_firing_after_its_start(schedule: str, moment: datetime | None) -> None:
    assert following(schedule, start=START, due=None, last=None) == moment


@pytest.mark.parametrize(
    ("key", "kind", "owner", "actor", "name"),
    [
        ("app||default||pizza-workflow||watch-b1", "job", "pizza-workflow", "", "watch-b1"),
        (
            "actorreminder||default||dapr.internal.default.pizza-workflow.workflow||pizza-order-1||timer-7",
            "workflow",
            "pizza-workflow",
            "pizza-order-1",
            "timer-7",
        ),
        ("actorreminder||default||Reminder||ada||snooze", "actor reminder", "Reminder", "ada", "snooze"),
    ],
)
def test_a_key_names_what_is_planned(key: str, kind: str, owner: str, actor: str, name: str) -> None:
    one = of_record(key, record(due_time=START))
    assert (one.kind, one.owner, one.actor, one.name) == (kind, owner, actor, name)


def test_the_retentions_of_an_app_are_skipped_and_nothing_else() -> None:
    app = "dapr/jobs/actorreminder||default||dapr.internal.default.app"
    retention = f"{app}.retentioner||run-1||retention"
    assert retention < f"{app}.retentioner||zzz||retention" < after(retention) < f"{app}.workflow||run-1||timer-1"
    timer = f"{app}.workflow||run-1||timer-1"
    assert timer < after(timer) < f"{timer}0"


def test_what_is_due_next_is_on_top() -> None:
    workflow = "actorreminder||default||dapr.internal.default.app.workflow||run||"
    later, soon = record(due_time=START + timedelta(hours=1)), record(due_time=START)
    plan = of_records({f"{workflow}later": later, f"{workflow}soon": soon}, {}, 2)
    assert [one.name for one in plan.planned] == ["soon", "later"]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(), "None."),
        (Plan((ONE,), 1), "1 of 1, the next ones first."),
        (Plan((ONE,), 7), "1 of 7, the next ones first. The others are later, or delete a finished workflow."),
        (Plan((ONE,), 7, is_whole=False), "1 of 7, the next ones first. Not all were looked at."),
    ],
)
def test_the_page_says_how_many_it_shows(plan: Plan, words: str) -> None:
    assert sentence(plan) == words


def test_a_row_says_how_long_it_is_until_the_next_firing() -> None:
    row = row_of(ONE, START - timedelta(seconds=90))
    assert row["following"].endswith("(in 1 min 30 s)")
    assert row_of(ONE, START + timedelta(seconds=5))["following"].endswith("(5 s ago)")
    assert row_of(replace(ONE, following=START.replace(year=9999)), START)["following"] == "waits without a time limit"
    assert (row["schedule"], row["expires"], row["url"]) == ("once", "never", "/workflows/app/a%20b")
