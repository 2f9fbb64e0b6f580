"""Write summaries of users: by a fixed rule, or with a model (model.py)."""

import re

from kit.sidecar.client import SdkClient
from kit.sidecar.secrets import Secrets
from kit.sidecar.store import Object
from memories import StoredMemory
from models import SUMMARY_MAX
from settings import Engine, Settings
from summaries.model import KNOWN, ConversationApi, Model

TOPICS = 3
TOPIC_MAX = 80


class Summarizer:
    """Use the engine that the settings name, or gemini if there is a key for it, decided at the first use."""

    def __init__(self, settings: Settings, secrets: Secrets, sdk: SdkClient) -> None:
        self._settings, self._secrets, self._sdk = settings, secrets, sdk
        self._engine: Engine | None = settings.model_engine
        self._model: Model | ConversationApi | None = None

    async def summarize(self, memory: StoredMemory, turns: list[Object]) -> str:
        """Return a summary of a memory and the newest turns, oldest first. Raise Unavailable."""
        if self._engine is None:
            self._engine = "gemini" if await self._secrets.get("GEMINI_API_KEY") else "offline"
        if self._engine == "offline":
            return offline(memory, turns)[:SUMMARY_MAX]
        if self._model is None:
            self._model = await self._new_model(self._engine)
        return (await self._model.summarize(memory, turns))[:SUMMARY_MAX]

    async def aclose(self) -> None:
        """Close the model's client, if there was ever one."""
        if isinstance(self._model, Model):
            await self._model.aclose()

    async def _new_model(self, engine: Engine) -> Model | ConversationApi:
        if engine == "conversation":
            return ConversationApi(self._settings, self._sdk)
        _, _, secret = KNOWN[engine]
        return Model(self._settings, engine, await self._secrets.get(secret) if secret else None)


def offline(memory: StoredMemory, turns: list[Object]) -> str:
    """Return the same summary for the same turns, so that it does not matter how often it is made."""
    topics = list(dict.fromkeys(topic(turn["user_message"]) for turn in reversed(turns)))
    summary = f"{memory.name} prefers a {memory.preferred_style} style. Last topic: {topics[0]}."
    if earlier := topics[1 : TOPICS + 1]:
        summary += f" Before that: {'; '.join(earlier)}."
    return summary


def topic(text: str) -> str:
    """Return the first sentence of a message, in one line, cut at a word."""
    line = " ".join(re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0].split()).rstrip(".!?") or "…"
    if len(line) <= TOPIC_MAX:
        return line
    return line[:TOPIC_MAX].rsplit(" ", 1)[0] + "…"
