"""Each pattern on the real runtime: its normal end, its fault, and its refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.conftest import on_redis
from tests.runtime.patterns.conftest import AFTER_A_KILL, APP, OTHER_APP

pytestmark = pytest.mark.lab("patterns")
UNDONE = ["flight", "hotel", "cancel_car", "cancel_hotel", "cancel_flight"]


@pytest.mark.parametrize(
    ("pattern", "fields", "result", "deeds"),
    [
        ("chaining", {}, "a car at Hotel Lisbon", ["flight", "hotel", "car"]),
        ("fan_out", {"shops": 4}, 1000, ["save", "shop-1", "shop-2", "shop-3", "shop-4"]),
        ("monitor", {"every_seconds": 0.1}, "delivered", ["look-1", "look-2", "look-3", "look-4"]),
        ("children", {"stops": ["A", "B"]}, ["A", "B"], ["travel-1", "play-1", "travel-2", "play-2"]),
        ("saga", {}, "booked", ["flight", "hotel", "car"]),
        ("multi_app", {}, "rented", ["contract"]),
    ],
)
def test_a_run_ends_with_each_deed_done_once(lab, pattern, fields, result, deeds):
    run = lab.end_of(lab.start(pattern, seconds=0.1, **fields))
    assert run["status"] == "completed"
    assert result in run["result"].values()
    assert (sorted(run["deeds"]) if pattern == "fan_out" else run["deeds"]) == deeds
    assert set(run["attempts"].values()) == {1}


@pytest.mark.parametrize(
    ("pattern", "fields", "status", "attempts", "deeds"),
    [
        ("chaining", {"fail": {"hotel": 9}, "attempts": 2}, "failed", {"hotel": 2}, ["flight"]),
        ("fan_out", {"shops": 1, "fail": {"shop-1": 2}}, "completed", {"shop-1": 3}, ["shop-1", "save"]),
        ("monitor", {"delivered_after": 1, "fail": {"look-1": 1}}, "completed", {"look-1": 2}, ["look-1"]),
        ("children", {"fail": {"travel-1": 9}, "stops": ["A"], "attempts": 2}, "completed", {"travel-1": 2}, []),
        ("saga", {"fail": {"car": 9, "cancel_hotel": 1}}, "completed", {"car": 4, "cancel_hotel": 2}, UNDONE),
        ("retries", {}, "completed", {"quote": 3}, ["quote"]),
        ("retries", {"fail": {}, "is_refused": True}, "completed", {"quote": 1}, []),
        ("multi_app", {"app_id": "nobody", "limit_seconds": 1}, "completed", {"give_up": 1}, ["give_up"]),
    ],
)
def test_a_fault_has_the_attempts_and_deeds_that_the_page_promises(lab, pattern, fields, status, attempts, deeds):
    run = lab.end_of(lab.start(pattern, seconds=0, **fields))
    assert (run["status"], run["deeds"]) == (status, deeds)
    assert run["attempts"] | attempts == run["attempts"]


@on_redis
def test_the_history_of_a_parcel_does_not_grow_with_its_looks(lab):
    few, many = (lab.start("monitor", seconds=0, every_seconds=0.01, delivered_after=looks) for looks in (1, 12))
    lengths = [len(lab.redis("KEYS", f"*||{lab.end_of(run)['instance_id']}||history-*")) for run in (few, many)]
    assert lengths[0] == lengths[1] > 0


def test_an_expense_is_decided_by_an_event_a_message_or_the_clock(lab):
    by_event, by_message = lab.start("approval"), lab.start("approval")
    expired = lab.start("approval", limit_seconds=0.5)
    lab.wait_for_note(by_event, "waits for a decision")
    assert lab.raise_event(by_event, "decision", approved=True, by="Ada").status_code == 202
    lab.publish(instance_id=by_message, approved=False, by="Bob")
    assert lab.end_of(by_event)["deeds"] == ["ask", "pay"]
    assert lab.end_of(by_message)["result"] == {"outcome": "refused", "by": "Bob"}
    assert lab.end_of(expired)["deeds"] == ["ask", "expire"]
    assert lab.raise_event(by_event, "decision", approved=True, by="Ada").json()["code"] == "ENDED"


def test_a_message_waits_for_an_app_that_is_down_and_one_that_is_wrong_holds_up_no_other(lab):
    run = lab.start("approval")
    lab.wait_for_note(run, "waits for a decision")
    control.kill(lab.stack, APP)
    lab.publish(instance_id=run, approved=True)
    lab.publish(instance_id=run, approved=True, by="Ada")
    control.restart(lab.stack, APP, keep_sidecar=True)
    assert lab.end_of(run, AFTER_A_KILL)["deeds"] == ["ask", "pay"]
    # One of the two may have to wait until Redis hands it out again (processingTimeout).
    assert wait_until(lambda: lab.why_dead(run) == ["by: Field required"], AFTER_A_KILL)


def test_letters_in_flight_keep_their_versions(lab):
    letters = {(first := lab.start("versioning", seconds=0)): "v2"}
    lab.wait_for_note(first, "v2 waits for a signature")
    # Back to the version before, as in a rollback.
    for latest in ("v1", "v2"):
        control.restart(lab.stack, APP, app=lab.with_settings(APP, LATEST_LETTER=latest), keep_sidecar=True)
        new = lab.start("versioning", seconds=0)
        lab.wait_for_note(new, f"{latest} waits for a signature")
        letters[new] = latest
    for letter, version in letters.items():
        assert lab.raise_event(letter, "signature", by="Ada").status_code == 202
        ended = lab.end_of(letter)
        assert (ended["result"], "proofread" in ended["deeds"]) == ({"version": version}, version == "v2")


def test_an_id_starts_once_however_many_ask_and_is_taken_after_its_end(lab):
    run = f"many-{uuid4().hex[:12]}"
    with ThreadPoolExecutor(12) as pool:
        answers = [one.status_code for one in pool.map(lambda _: lab.ask("saga", instance_id=run), range(12))]
    assert sorted(answers) == [202] + 11 * [409]
    lab.end_of(run)
    assert lab.ask("saga", instance_id=run).json()["code"] == "TAKEN"
    assert lab.show(run)["attempts"] == {"flight": 1, "hotel": 1, "car": 1}


def test_bad_input_is_refused_by_name(lab):
    for pattern, body, field in (
        ("saga", {"fail": {"boat": 1}}, "fail.boat"),
        ("fan_out", {"shops": 0}, "shops"),
        ("approval", {"instance_id": "a/b"}, "instance_id"),
    ):
        answer = lab.ask(pattern, **body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert lab.ask("nothing").status_code == 404


def test_a_rental_waits_for_its_other_app_to_return(lab):
    control.kill(lab.stack, OTHER_APP)
    run = lab.start("multi_app", seconds=0, limit_seconds=AFTER_A_KILL)
    control.restart(lab.stack, OTHER_APP)
    assert lab.end_of(run, AFTER_A_KILL)["result"]["outcome"] == "rented"
