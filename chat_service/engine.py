"""What a model engine is, and which one the settings choose."""

import asyncio
import importlib
from typing import Protocol

from failures import Unreachable
from sdk_client import SdkClient
from secret_store import Secrets
from settings import EngineName, Settings
from turn import Prompt

# Base URL, model and the secret of each OpenAI-compatible API; MODEL_BASE_URL and MODEL_NAME change them.
ENDPOINTS: dict[EngineName, tuple[str | None, str | None, str | None]] = {
    "gemini": ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini-2.5-flash", "GEMINI_API_KEY"),
    "openai": ("https://api.openai.com/v1", "gpt-4.1-mini", "OPENAI_API_KEY"),
    "ollama": ("http://127.0.0.1:11434/v1", "llama3.2", None),
    "openai-compatible": (None, None, None),
}


class ModelBusy(Unreachable):
    """The model said when to come again (Retry-After, in seconds)."""

    def __init__(self, dependency: str, detail: str, retry_after_seconds: float) -> None:
        super().__init__(dependency, detail)
        self.detail, self.retry_after_seconds = detail, retry_after_seconds


class Engine(Protocol):
    """Answers a message. `name` is what metadata.model tells."""

    name: str

    async def reply(self, prompt: Prompt) -> str:
        """The reply; raises StepFailed, or ModelBusy when it is to be asked again later."""
        ...

    async def aclose(self) -> None:
        """Closes what it has open."""
        ...


class Engines:
    """Makes the engine that the settings choose, once its key is there, and keeps it."""

    def __init__(self, settings: Settings, secrets: Secrets, client: SdkClient) -> None:
        self._settings, self._secrets, self._client = settings, secrets, client
        self._made: Engine | None = None

    async def get(self) -> Engine:
        """The engine. Raises NonRetryableError when its key is missing: put there later, it is found then."""
        if self._made is None:
            made = await self._make()
            self._made = self._made or made
        return self._made

    async def aclose(self) -> None:
        """Closes the engine, if there was ever one."""
        if self._made is not None:
            await self._made.aclose()

    async def _make(self) -> Engine:
        # Imported when chosen: the Agents SDK takes 60 MB, and seconds, that the others do not need. In a thread, as
        # the app serves already.
        chosen = self._settings.model_engine
        if chosen is None:
            chosen = "gemini" if await self._secrets.get("GEMINI_API_KEY") else "offline"
        if chosen == "offline":
            from engine_offline import Offline

            return Offline()
        if chosen == "conversation":
            from engine_conversation import Conversation

            return Conversation(self._settings, self._client)
        agents = await asyncio.to_thread(importlib.import_module, "engine_agents")
        base_url, model, secret = ENDPOINTS[chosen]
        if secret:
            key = await self._secrets.need(secret)
        else:
            # A local model asks for none, but a server that speaks the protocol may.
            key = await self._secrets.get("OPENAI_API_KEY") if chosen == "openai-compatible" else None
        return agents.Agents(chosen, self._settings, base_url, model, key)
