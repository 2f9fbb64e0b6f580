"""Write summaries of users: by a fixed rule, or with a model (model.py)."""

import re
from typing import Protocol

from kit.sidecar.client import SdkClient
from kit.sidecar.secrets import Secrets
from kit.sidecar.store import Object
from memories import StoredMemory
from models import SUMMARY_MAX
from settings import Engine, Settings
from summaries.model import ConversationApi, Model

TOPICS = 3
TOPIC_MAX = 80


class Summarizer(Protocol):
    """Make a summary of a memory and the newest turns, oldest first. Raise Unavailable."""

    async def summarize(self, memory: StoredMemory, turns: list[Object]) -> str: ...


class Offline:
    """Make the same summary of the same turns, so that it does not matter how often it is made."""

    async def summarize(self, memory: StoredMemory, turns: list[Object]) -> str:
        topics = list(dict.fromkeys(topic(turn["user_message"]) for turn in reversed(turns)))
        summary = f"{memory.name} prefers a {memory.preferred_style} style. Last topic: {topics[0]}."
        if earlier := topics[1 : TOPICS + 1]:
            summary += f" Before that: {'; '.join(earlier)}."
        return summary


class Chosen:
    """Use the engine that the settings name, or gemini if there is a key for it, decided at the first use."""

    def __init__(self, settings: Settings, secrets: Secrets, sdk: SdkClient) -> None:
        self._settings = settings
        self._secrets = secrets
        self._sdk = sdk
        self._engine: Offline | Model | ConversationApi | None = None

    async def summarize(self, memory: StoredMemory, turns: list[Object]) -> str:
        if self._engine is None:
            self._engine = self._made(self._settings.model_engine or await self._by_key())
        return (await self._engine.summarize(memory, turns))[:SUMMARY_MAX]

    async def aclose(self) -> None:
        """Close the model's client, if there was ever one."""
        if isinstance(self._engine, Model):
            await self._engine.aclose()

    async def _by_key(self) -> Engine:
        return "gemini" if await self._secrets.get("GEMINI_API_KEY") else "offline"

    def _made(self, name: Engine) -> Offline | Model | ConversationApi:
        if name == "offline":
            return Offline()
        if name == "conversation":
            return ConversationApi(self._settings, self._sdk)
        return Model(self._settings, name, self._secrets)


def topic(text: str) -> str:
    """Return the first sentence of a message, in one line, cut at a word."""
    line = " ".join(re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0].split()).rstrip(".!?") or "…"
    if len(line) <= TOPIC_MAX:
        return line
    return line[:TOPIC_MAX].rsplit(" ", 1)[0] + "…"
