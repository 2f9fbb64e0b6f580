"""Any model behind Dapr's Conversation API (alpha2): which one is said by a component, not here."""

import grpc
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc import conversation as api

import clock
from failures import BadAnswer, NonRetryableError, Unreachable
from prompts import instructions
from sdk_client import SdkClient
from settings import Settings
from turn import Prompt

TOOL = api.ConversationTools(
    function=api.ConversationToolsFunction(
        name=clock.NAME, description=clock.DESCRIPTION, parameters={"type": "object", "properties": {}}
    )
)
MISTAKES = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND}


class Conversation:
    """A chat with tools through the sidecar."""

    def __init__(self, settings: Settings, client: SdkClient) -> None:
        self._component, self._client = settings.conversation_component, client
        self._rounds = settings.max_tool_rounds
        self.name = f"conversation/{self._component}"

    async def reply(self, prompt: Prompt) -> str:
        """Asks until the model wants no more tools; in the last round it is given none."""
        messages = [api.create_system_message(instructions(prompt.context))]
        for said in prompt.context.history:
            create = api.create_user_message if said.role == "user" else api.create_assistant_message
            messages.append(create(said.content))
        messages.append(api.create_user_message(prompt.turn.text))
        for round_number in range(1, self._rounds + 1):
            tools = [TOOL] if round_number < self._rounds else []
            message = await self._ask(messages, tools)
            # Offered none, a model cannot wish for a tool; Dapr's echo component still repeats those of the history
            # beside its answer (seen on 1.18.0).
            if not message.tool_calls or not tools:
                if not message.content.strip():
                    raise BadAnswer(self.name, "its answer is empty.")
                return message.content.strip()
            content = [api.ConversationMessageContent(text=message.content)]
            wish = api.ConversationMessageOfAssistant(content=content, tool_calls=message.tool_calls)
            messages.append(api.ConversationMessage(of_assistant=wish))
            messages += [_called(call) for call in message.tool_calls]
        raise AssertionError("without tools it answers or raises")

    async def aclose(self) -> None:
        """The client is not this engine's own."""

    async def _ask(
        self, messages: list[api.ConversationMessage], tools: list[api.ConversationTools]
    ) -> api.ConversationResultAlpha2Message:
        client = await self._client.get()
        inputs = [api.ConversationInputAlpha2(messages=messages)]
        try:
            response = await client.converse_alpha2(self._component, inputs, tools=tools or None)
        except DaprGrpcError as error:
            if error.code() in MISTAKES:
                raise NonRetryableError(self.name, f"Dapr answers {error.code().name}.") from error
            raise Unreachable(self.name, f"Dapr answers {error.code().name}.") from error
        choices = [choice for output in response.outputs for choice in output.choices]
        if not choices:
            raise BadAnswer(self.name, "its answer is empty.")
        return choices[0].message


def _called(call: api.ConversationToolCalls) -> api.ConversationMessage:
    """What the tool answers. It takes no arguments, so what a model sends as such is not even read as JSON.

    Dapr's echo component sends the names of the parameters there, which is none (seen on 1.18.0).
    """
    name = call.function.name if call.function else ""
    answer = clock.get_current_time() if name == clock.NAME else "There is no such tool."
    return api.create_tool_message(call.id or "", name, answer)
