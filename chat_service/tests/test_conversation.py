"""The Conversation API of the sidecar: any model that a component names, tools included."""

import re

import grpc
import pytest
from conftest import say
from dapr.proto import api_v1


def answer(text="", calls=()):
    message = api_v1.ConversationResultMessage(content=text)
    for number, (name, arguments) in enumerate(calls):
        function = api_v1.ConversationToolCallsOfFunction(name=name, arguments=arguments)
        message.tool_calls.append(api_v1.ConversationToolCalls(id=f"t{number}", function=function))
    choice = api_v1.ConversationResultChoices(finish_reason="tool_calls" if calls else "stop", message=message)
    return api_v1.ConversationResponseAlpha2(outputs=[api_v1.ConversationResultAlpha2(choices=[choice])])


@pytest.fixture
def client(serve):
    return serve(model_engine="conversation", generate_attempts=2)


def test_a_reply(serve, sidecar):
    sidecar.converse = [answer("Good day.")]
    body = say(serve(model_engine="conversation", conversation_component="my-model"), "Hello").json()
    assert (body["reply"], body["metadata"]["model"]) == ("Good day.", "conversation/my-model")
    (request,) = sidecar.asked
    assert request.name == "my-model"
    assert [tool.function.name for tool in request.tools] == ["get_current_time"]
    messages = request.inputs[0].messages
    assert [message.WhichOneof("message_types") for message in messages] == ["of_system", "of_user"]
    assert messages[1].of_user.content[0].text == "Hello"


# The echo component sends no JSON as arguments (seen on 1.18.0).
@pytest.mark.parametrize("arguments", ["{}", "", "city", '{"city": "Lahore"}'])
def test_a_tool_call_goes_there_and_back(client, sidecar, arguments):
    sidecar.converse = [answer(calls=[("get_current_time", arguments)]), answer("It is late.")]
    assert say(client, "What time is it?").json()["reply"] == "It is late."
    wish, result = sidecar.asked[1].inputs[0].messages[-2:]
    assert wish.of_assistant.tool_calls[0].id == result.of_tool.tool_id == "t0"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\+00:00", result.of_tool.content[0].text)


def test_a_tool_that_there_is_not(client, sidecar):
    sidecar.converse = [answer(calls=[("rm", "-rf")]), answer("Well.")]
    assert say(client, "Hello").json()["reply"] == "Well."
    assert sidecar.asked[1].inputs[0].messages[-1].of_tool.content[0].text == "There is no such tool."


def test_without_tools_what_it_says_is_the_reply(serve, sidecar):
    """Dapr's echo component repeats the tool calls of the history beside its text, offered tools or not."""
    wish = [("get_current_time", "")]
    sidecar.converse = [answer(calls=wish), answer(calls=wish), answer("You said: Hello", calls=wish)]
    client = serve(model_engine="conversation", max_tool_rounds=3)
    assert say(client, "Hello").json()["reply"] == "You said: Hello"
    assert [len(request.tools) for request in sidecar.asked] == [1, 1, 0]


WISH = answer(calls=[("get_current_time", "")])


@pytest.mark.parametrize("empty", [[WISH, WISH], [answer(" ")], [api_v1.ConversationResponseAlpha2()]])
def test_a_reply_without_words_is_none(serve, sidecar, empty):
    sidecar.converse = [*empty]
    failed = say(serve(model_engine="conversation", max_tool_rounds=2, generate_attempts=1), "Hello")
    assert (failed.status_code, failed.json()["detail"]) == (502, "The answer of conversation/conversation is empty.")
    assert len(sidecar.asked) == len(empty)


@pytest.mark.parametrize(
    ("code", "status", "dependency", "times"),
    [
        # The sidecar itself answers so when it ends.
        (grpc.StatusCode.UNAVAILABLE, 503, "Dapr sidecar", 2),
        (grpc.StatusCode.INTERNAL, 503, "conversation/conversation", 2),
        (grpc.StatusCode.NOT_FOUND, 502, "conversation/conversation", 1),
    ],
)
def test_a_component_that_fails(client, sidecar, code, status, dependency, times):
    sidecar.converse = [code] * 2
    failed = say(client, "Hello")
    assert failed.status_code == status
    assert failed.json()["dependency"] == dependency
    assert len(sidecar.asked) == times
    assert not sidecar.published
