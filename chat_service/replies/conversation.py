"""Any model behind Dapr's Conversation API (alpha2). A component chooses it, not this code."""

from dapr.clients.grpc import conversation as api

from failures import Refused
from kit.sidecar.client import SdkClient
from kit.sidecar.unavailable import Unavailable
from messages import Prompt
from replies import clock
from replies.prompts import instructions
from settings import Settings

TOOL = api.ConversationTools(
    function=api.ConversationToolsFunction(
        name=clock.NAME, description=clock.DESCRIPTION, parameters={"type": "object", "properties": {}}
    )
)


class Conversation:
    """A chat with tools, through the sidecar."""

    def __init__(self, settings: Settings, sdk: SdkClient) -> None:
        self._component, self._sdk = settings.conversation_component, sdk
        self._rounds, self._seconds = settings.max_tool_rounds, settings.model_timeout_seconds
        self.name = f"conversation/{self._component}"

    async def reply(self, prompt: Prompt) -> str:
        """Ask until the model wants no more tools. In the last round it is offered none."""
        messages = [api.create_system_message(instructions(prompt.context))]
        for said in prompt.context.history:
            create = api.create_user_message if said.role == "user" else api.create_assistant_message
            messages.append(create(said.content))
        messages.append(api.create_user_message(prompt.text))
        for round_number in range(1, self._rounds + 1):
            tools = [TOOL] if round_number < self._rounds else []
            message = await self._ask(messages, tools)
            # Without an offer a model cannot call a tool. Dapr's echo component still repeats the calls of the history
            # beside its answer.
            if not message.tool_calls or not tools:
                if not message.content.strip():
                    raise self._empty()
                return message.content.strip()
            content = [api.ConversationMessageContent(text=message.content)]
            call = api.ConversationMessageOfAssistant(content=content, tool_calls=message.tool_calls)
            messages.append(api.ConversationMessage(of_assistant=call))
            messages += [_called(call) for call in message.tool_calls]
        raise AssertionError("without tools it answers or raises")

    async def _ask(
        self, messages: list[api.ConversationMessage], tools: list[api.ConversationTools]
    ) -> api.ConversationResultAlpha2Message:
        inputs = [api.ConversationInputAlpha2(messages=messages)]
        try:
            async with self._sdk.calling(self.name, self._seconds) as client:
                response = await client.converse_alpha2(self._component, inputs, tools=tools or None)
        except Unavailable as error:
            if error.error_code == "NOT_FOUND":
                raise Refused(502, self.name, f"{self.name} does not exist.", error.error_code) from error
            raise
        choices = [choice for output in response.outputs for choice in output.choices]
        if not choices:
            raise self._empty()
        return choices[0].message

    def _empty(self) -> Unavailable:
        return Unavailable(502, self.name, f"The answer of {self.name} is empty.")


def _called(call: api.ConversationToolCalls) -> api.ConversationMessage:
    """Return the answer of a tool. It takes no arguments, so those that a model sends are not even read as JSON.

    Dapr's echo component sends the names of the parameters there, which is no JSON.
    """
    name = call.function.name if call.function else ""
    answer = clock.get_current_time() if name == clock.NAME else "There is no such tool."
    return api.create_tool_message(call.id or "", name, answer)
