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

from failures import ModelBusy, Refused
from kit.sidecar.unavailable import Unavailable
from messages import Prompt
from replies import clock
from replies.prompts import instructions
from settings import Settings

# The SDK would send the users' texts to its maker's tracing service.
set_tracing_disabled(True)

MODEL = "model"
# The SDK raises these at a body that does not follow the protocol, because it reads the fields without a check.
NOT_UNDERSTOOD = (AgentsException, openai.OpenAIError, ValueError, TypeError, AttributeError, LookupError)
TOOL: FunctionTool = function_tool(
    clock.get_current_time, name_override=clock.NAME, description_override=clock.DESCRIPTION
)


class AgentModel:
    """An agent with the time as its tool."""

    def __init__(
        self, engine: str, settings: Settings, base_url: str | None, model: str | None, key: SecretStr | None
    ) -> None:
        base_url, model = settings.model_base_url or base_url, settings.model_name or model
        # The settings require both from an engine without a known endpoint.
        assert base_url
        assert model
        self.name = f"{engine}/{model}"
        self._rounds = settings.max_tool_rounds
        # The workflow retries. Retries of this client would multiply those, within one attempt's time limit.
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=key.get_secret_value() if key else "none",
            max_retries=0,
            timeout=settings.model_timeout_seconds,
        )
        self._model = OpenAIChatCompletionsModel(model=model, openai_client=self._client)

    async def reply(self, prompt: Prompt) -> str:
        """Run the agent, with at most `max_tool_rounds` calls of the model."""
        agent = Agent[None](name="chat", instructions=instructions(prompt.context), tools=[TOOL], model=self._model)
        history: list[Any] = [{"role": said.role, "content": said.content} for said in prompt.context.history]
        try:
            result = await Runner.run(
                agent,
                [*history, {"role": "user", "content": prompt.text}],
                max_turns=self._rounds,
                run_config=RunConfig(tracing_disabled=True, trace_include_sensitive_data=False),
            )
        except openai.APITimeoutError as error:
            raise Unavailable(504, MODEL, "The model did not answer in time.") from error
        except openai.APIStatusError as error:
            raise _from_status(error) from error
        except openai.APIConnectionError as error:
            raise Unavailable(503, MODEL, "The model cannot be reached.") from error
        except MaxTurnsExceeded as error:
            raise Unavailable(502, MODEL, f"The model found no answer in {self._rounds} rounds.") from error
        except NOT_UNDERSTOOD as error:
            raise Unavailable(502, MODEL, "The answer of the model cannot be understood.") from error
        reply = str(result.final_output or "").strip()
        if not reply:
            raise Unavailable(502, MODEL, "The answer of the model is empty.")
        return reply

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()


def _from_status(error: openai.APIStatusError) -> Unavailable:
    status, detail = error.status_code, f"The model answered {error.status_code}."
    if status in (429, 503):
        try:
            seconds = float(error.response.headers.get("retry-after", ""))
        except ValueError:
            return Unavailable(503, MODEL, detail)
        return ModelBusy(MODEL, detail, max(seconds, 0.0))
    is_final = 400 <= status < 500 and status not in (408, 409)
    return (Refused if is_final else Unavailable)(502, MODEL, detail)
