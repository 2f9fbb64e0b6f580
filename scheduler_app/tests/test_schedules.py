"""When a job is due: the scheduler's arithmetic."""

from datetime import UTC, datetime, timedelta

import pytest

from schedules import harm, latest, moment

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)  # a Saturday


def at(seconds):
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("schedule", "due", "now", "expected"),
    [
        (None, 10, 5, None),
        (None, 10, 10, 10),
        (None, 10, 99, 10),
        ("@every 10s", None, 5, None),
        ("@every 10s", None, 10, 10),
        ("@every 10s", None, 29.9, 20),
        ("@every 1m30s", None, 100, 90),
        ("@every 10s", 3, 1, None),
        ("@every 10s", 3, 12, 3),
        ("@every 10s", 3, 25, 23),
        ("*/5 * * * * *", None, 0, None),
        ("*/5 * * * * *", None, 7.5, 5),
        ("*/5 * * * * *", 3, 4, 3),
        ("@hourly", None, 3700, 3600),
        ("TZ=Europe/Berlin 0 0 14 * * *", None, 3601, 3600),
        ("0 0 13 ? * SAT", None, 3601, 3600),
        ("0 * * * *", None, 99, None),
        ("TZ=Nowhere/None 0 * * * * *", None, 99, None),
        ("nonsense", None, 99, None),
        ("@every 80000000h", None, 99, None),
    ],
)
def test_the_latest_moment_at_which_a_job_was_due(schedule, due, now, expected):
    first = at(due) if due is not None else None
    assert latest(schedule, first, first or NOON, at(now)) == (at(expected) if expected is not None else None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", at(90)), ("1h30m", at(5400)), ("500ms", at(0.5)), ("1.5s", at(1.5)), ("-2s", at(-2)), ("0", NOON),
        ("PT90S", at(90)), ("P1DT1H", at(90_000)), ("P1W", at(7 * 86400)),
        ("P1M", datetime(2026, 12, 21, 12, tzinfo=UTC)), ("P1Y2M", datetime(2028, 1, 21, 12, tzinfo=UTC)),
        ("2026-11-21T13:00:00+01:00", NOON), ("2026-11-21T12:00:00.5Z", at(0.5)),
        ("2026-11-21T12:00:00", None), ("2026-13-21T12:00:00Z", None), ("90", None), ("x", None), ("P", None),
        ("PT", None), ("99999999999h", None), ("80000000h", None), ("P99999Y", None),
        ("9999-12-31T23:59:59-23:00", None), ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_a_due_time_is_read_as_the_scheduler_reads_it(text, expected):
    assert moment(text, NOON) == expected


@pytest.mark.parametrize(
    "schedule",
    ["@every 100ms", "@every 1h", "@daily", "0 0 0 29 2 *", "*/1 * * ? * *", "0 0 0 31 2 MON", "nonsense", "0 * * * *"],
)
def test_what_the_runtime_can_judge_is_left_to_it(schedule):
    assert harm(schedule) is None
