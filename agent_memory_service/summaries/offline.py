"""Summaries without a model, by a fixed rule."""

import re

from kit.sidecar.store import Object
from memories import StoredMemory

TOPICS = 3
TOPIC_MAX = 80


def summary(memory: StoredMemory, turns: list[Object]) -> str:
    """Return the same summary for the same turns, so that it does not matter how often it is made."""
    topics = list(dict.fromkeys(topic(turn["user_message"]) for turn in reversed(turns)))
    last = f"{memory.name} prefers a {memory.preferred_style} style. Last topic: {topics[0]}."
    earlier = topics[1 : TOPICS + 1]
    return f"{last} Before that: {'; '.join(earlier)}." if earlier else last


def topic(text: str) -> str:
    """Return the first sentence of a message, in one line, cut at a word."""
    line = " ".join(re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0].split()).rstrip(".!?") or "…"
    if len(line) <= TOPIC_MAX:
        return line
    return line[:TOPIC_MAX].rsplit(" ", 1)[0] + "…"
