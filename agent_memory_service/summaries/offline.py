"""Summaries without a model, by a fixed rule."""

import re

from memories import StoredMemory
from models import Message

TOPICS = 3
TOPIC_MAX = 80


def summary(memory: StoredMemory, messages: list[Message]) -> str:
    """Return the same summary for the same messages, so that it does not matter how often it is made."""
    topics = list(dict.fromkeys(topic(one.content) for one in reversed(messages) if one.role == "user"))
    last = f"{memory.name} prefers a {memory.preferred_style} style. Last topic: {topics[0]}."
    earlier = topics[1 : TOPICS + 1]
    return f"{last} Before that: {'; '.join(earlier)}." if earlier else last


def topic(text: str) -> str:
    """Return the first sentence of a message, in one line, cut at a word."""
    line = " ".join(re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0].split()).rstrip(".!?") or "…"
    if len(line) <= TOPIC_MAX:
        return line
    return line[:TOPIC_MAX].rsplit(" ", 1)[0] + "…"
