"""The form of a language model, whichever one it is."""

from typing import Protocol

from kit.sidecar.unavailable import Unavailable
from messages import Prompt


class ModelBusy(Unavailable):
    """The model said when to ask again (Retry-After)."""

    def __init__(self, dependency: str, detail: str, seconds: float) -> None:
        super().__init__(503, dependency, detail)
        self.seconds = seconds


class LanguageModel(Protocol):
    """Answer a message. `name` is the one in metadata.model."""

    name: str

    async def reply(self, prompt: Prompt) -> str:
        """Return the reply. Raise Unavailable, or ModelBusy if it is to be asked again later."""
        ...

    async def aclose(self) -> None:
        """Close the connections that are open."""
        ...
