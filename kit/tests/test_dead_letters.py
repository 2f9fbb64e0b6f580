"""Dead letters are kept once, listed, replayed and removed."""

import pytest

from kit.sidecar.dead_letters import KEPT_WHOLE, DeadLetters


@pytest.fixture
def letters(store):
    return DeadLetters(store)


def event(number, **fields):
    return {"id": f"e-{number}", "source": "s", "data": {"n": number}} | fields


async def listed(letters, limit=50):
    return [letter["event_id"] for _, letter in (await letters.newest(limit)).entries]


async def test_an_event_is_kept_once_with_its_reason(letters):
    letter_id = await letters.keep(event(1), "bad", user="x")
    assert await letters.keep(event(1, time="later"), "bad") == letter_id
    await letters.keep({"id": "", "data": 1}, "worse")
    await letters.keep({"id": "", "data": 2}, "worse")
    assert await listed(letters) == ["", "", "e-1"]
    letter = await letters.get(letter_id)
    assert letter.pop("received_at")
    assert letter == {"id": letter_id, "event_id": "e-1", "reason": "bad", "event": event(1), "user": "x"}


async def test_of_a_huge_event_the_beginning_and_the_size_are_kept(letters):
    letter_id = await letters.keep(event(1, data="x" * KEPT_WHOLE), "too large")
    kept = (await letters.get(letter_id))["event"]
    assert kept.startswith('{"id": "e-1"')
    assert kept.endswith("characters)")
    assert len(kept) < 5_000


async def test_a_replayed_letter_is_off_the_list_and_one_that_fails_stays(letters):
    processed = []

    async def process(found):
        processed.append(found)
        if found["data"]["n"] == 2:
            raise ValueError("still bad")

    good, bad = [await letters.keep(event(number), "down") for number in (1, 2)]
    assert await letters.replay(good, process)
    with pytest.raises(ValueError, match="still bad"):
        await letters.replay(bad, process)
    assert not await letters.replay(good, process)
    assert processed == [event(1), event(2)]
    assert await listed(letters) == ["e-2"]
