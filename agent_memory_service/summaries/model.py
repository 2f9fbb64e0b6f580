"""A model behind a URL that speaks OpenAI's protocol."""

import logging

import openai
from pydantic import SecretStr

from kit.sidecar.unavailable import Unavailable

# At DEBUG the client would log each request whole, with the user's messages.
logging.getLogger("openai").setLevel(logging.INFO)


class Model:
    """Ask one model. engine: its name in errors. seconds: how long an answer may take."""

    def __init__(self, engine: str, base_url: str, model: str, key: SecretStr | None, seconds: float) -> None:
        self._engine, self._model = engine, model
        # The client wants a key, also for servers that ask for none. The mark in the memory outlives all retries.
        self._client = openai.AsyncOpenAI(
            api_key=key.get_secret_value() if key else "none", base_url=base_url, timeout=seconds, max_retries=0
        )

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.close()

    async def answer(self, instructions: str, request: str) -> str | None:
        """Return the text of the model's answer, None for one without. Raise Unavailable."""
        try:
            answer = await self._client.chat.completions.create(
                model=self._model,
                messages=[{"role": "system", "content": instructions}, {"role": "user", "content": request}],
            )
        except openai.APIStatusError as error:
            detail = f"The model {self._engine} answered {error.status_code}."
            # Not the error's own message: it holds the answer's body, which may repeat a part of the key or the turns.
            raise Unavailable(502, self._engine, detail, reason=type(error).__name__) from error
        except (openai.APIError, ValueError) as error:
            detail = f"The model {self._engine} cannot be reached, or does not answer as it should."
            raise Unavailable(503, self._engine, detail, reason=type(error).__name__) from error
        # A server that answers 200 need not know the protocol: the client hands on any JSON.
        choices = getattr(answer, "choices", None)
        return choices[0].message.content if choices else None
