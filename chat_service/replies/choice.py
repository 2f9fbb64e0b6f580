"""The choice of a language model by the settings."""

import asyncio
import importlib
from contextlib import AsyncExitStack
from typing import Protocol

from kit.sidecar.client import SdkClient
from kit.sidecar.secrets import Secrets
from kit.sidecar.unavailable import too_slow
from messages import Answered, Prompt
from settings import EngineName, Settings

# Base URL, model and the secret of each OpenAI-compatible API. MODEL_BASE_URL and MODEL_NAME replace the first two.
ENDPOINTS: dict[EngineName, tuple[str | None, str | None, str | None]] = {
    "gemini": ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini-2.5-flash", "GEMINI_API_KEY"),
    "openai": ("https://api.openai.com/v1", "gpt-4.1-mini", "OPENAI_API_KEY"),
    "ollama": ("http://127.0.0.1:11434/v1", "llama3.2", None),
    "openai-compatible": (None, None, None),
}


class LanguageModel(Protocol):
    """Answer a message. `name` is the one in metadata.model."""

    name: str

    async def reply(self, prompt: Prompt) -> str:
        """Return the reply. Raise Unavailable, or ModelBusy if it is to be asked again later."""
        ...


class LanguageModels:
    """Make the language model that the settings choose, once its key is there, and keep it."""

    def __init__(self, settings: Settings, secrets: Secrets, sdk: SdkClient) -> None:
        self._settings, self._secrets, self._sdk = settings, secrets, sdk
        self._made: LanguageModel | None = None
        self._closing = AsyncExitStack()

    async def get(self) -> LanguageModel:
        """Return the model. Raise Unavailable while its key is missing; a key that is added later is found."""
        if self._made is None:
            made = await self._make()
            self._made = self._made or made
        return self._made

    async def reply(self, prompt: Prompt) -> Answered:
        """Return the reply within the model's time limit. Raise Unavailable, or ModelBusy."""
        try:
            async with asyncio.timeout(self._settings.model_timeout_seconds):
                model = await self.get()
                reply = await model.reply(prompt)
        except TimeoutError as error:
            raise too_slow("model", self._settings.model_timeout_seconds) from error
        return Answered(reply=reply[:16_000], model=model.name)

    async def aclose(self) -> None:
        """Close the connections to the model."""
        await self._closing.aclose()

    async def _make(self) -> LanguageModel:
        chosen = self._settings.model_engine
        if chosen is None:
            chosen = "gemini" if await self._secrets.get("GEMINI_API_KEY") else "offline"
        # Imported when chosen: the Agents SDK takes 60 MB, and seconds, that the others do not need. In a thread,
        # because the app is serving already.
        if chosen == "offline":
            from replies.offline import Offline

            return Offline()
        if chosen == "conversation":
            from replies.conversation import Conversation

            return Conversation(self._settings, self._sdk)
        agent = await asyncio.to_thread(importlib.import_module, "replies.agent")
        base_url, model, secret = ENDPOINTS[chosen]
        if secret:
            key = await self._secrets.need(secret)
        else:
            # A local model asks for no key, but a server that speaks the protocol may.
            key = await self._secrets.get("OPENAI_API_KEY") if chosen == "openai-compatible" else None
        made = agent.AgentModel(chosen, self._settings, base_url, model, key)
        self._closing.push_async_callback(made.aclose)
        return made
