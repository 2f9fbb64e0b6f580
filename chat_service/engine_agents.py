"""Any model behind an OpenAI-compatible API, through the OpenAI Agents SDK."""

from typing import Any

import openai
from agents import (
    Agent,
    AgentsException,
    FunctionTool,
    MaxTurnsExceeded,
    OpenAIChatCompletionsModel,
    RunConfig,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from pydantic import SecretStr

import clock
from engine import ModelBusy
from failures import BadAnswer, NonRetryableError, TooSlow, Unreachable
from prompts import instructions
from settings import Settings
from turn import Prompt

# The SDK would send what users write to its maker's tracing service.
set_tracing_disabled(True)

MODEL = "model"
# What the SDK raises at a body that is not the protocol's: it takes its fields as given.
NOT_UNDERSTOOD = (AgentsException, openai.OpenAIError, ValueError, TypeError, AttributeError, LookupError)
TOOL: FunctionTool = function_tool(
    clock.get_current_time, name_override=clock.NAME, description_override=clock.DESCRIPTION
)


class Agents:
    """An agent with the time as its tool."""

    def __init__(
        self, engine: str, settings: Settings, base_url: str | None, model: str | None, key: SecretStr | None
    ) -> None:
        base_url, model = settings.model_base_url or base_url, settings.model_name or model
        if not base_url or not model:
            raise NonRetryableError(MODEL, f"MODEL_ENGINE={engine} needs MODEL_BASE_URL and MODEL_NAME.")
        self.name = f"{engine}/{model}"
        self._rounds = settings.max_tool_rounds
        # Retries are the workflow's: those of the client would multiply them, within one attempt's time limit.
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=key.get_secret_value() if key else "none",
            max_retries=0,
            timeout=settings.model_timeout_seconds,
        )
        self._model = OpenAIChatCompletionsModel(model=model, openai_client=self._client)

    async def reply(self, prompt: Prompt) -> str:
        """Runs the agent, through at most `max_tool_rounds` calls of the model."""
        agent = Agent[None](name="chat", instructions=instructions(prompt.context), tools=[TOOL], model=self._model)
        history: list[Any] = [{"role": said.role, "content": said.content} for said in prompt.context.history]
        try:
            result = await Runner.run(
                agent,
                [*history, {"role": "user", "content": prompt.turn.text}],
                max_turns=self._rounds,
                run_config=RunConfig(tracing_disabled=True, trace_include_sensitive_data=False),
            )
        except openai.APITimeoutError as error:
            raise TooSlow(MODEL, "it did not answer in time.") from error
        except openai.APIStatusError as error:
            raise _from_status(error) from error
        except openai.APIConnectionError as error:
            raise Unreachable(MODEL, "it cannot be reached.") from error
        except MaxTurnsExceeded as error:
            raise BadAnswer(MODEL, f"it did not come to an answer in {self._rounds} rounds.") from error
        except NOT_UNDERSTOOD as error:
            raise BadAnswer(MODEL, "its answer cannot be understood.") from error
        reply = str(result.final_output or "").strip()
        if not reply:
            raise BadAnswer(MODEL, "its answer is empty.")
        return reply

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.close()


def _from_status(error: openai.APIStatusError) -> Exception:
    status, told = error.status_code, f"it answered {error.status_code}."
    if status in (429, 503):
        try:
            seconds = float(error.response.headers.get("retry-after", ""))
        except ValueError:
            return Unreachable(MODEL, told)
        return ModelBusy(MODEL, told, max(seconds, 0.0))
    if 400 <= status < 500 and status not in (408, 409):
        return NonRetryableError(MODEL, told)
    return BadAnswer(MODEL, told)
