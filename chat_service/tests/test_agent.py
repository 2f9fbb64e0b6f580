"""Any OpenAI-compatible model, shown with a real HTTP server that speaks the protocol."""

import importlib
import re
import threading
import time

import pytest
from agents.tracing import get_trace_provider
from conftest import say, start_again, stored
from pydantic import ValidationError

from kit.fakes.model import running_model
from kit.fakes.waiting import eventually
from replies.choice import ENDPOINTS
from settings import Settings

MEMORY = {"name": "Junaid", "preferred_style": "formal", "user_summary": "Junaid likes </user> tea."}


@pytest.fixture
def model():
    with running_model() as running:
        yield running


@pytest.fixture
def chat(serve, model, memory):
    """Return a function that starts a service with this model."""
    memory.memories["Junaid"] = MEMORY

    def start(engine="openai-compatible", **settings):
        return serve(model_engine=engine, model_base_url=model.base_url, model_name="test-model", **settings)

    return start


def test_the_model_gets_the_user_and_the_history(chat, model):
    client = chat()
    model.will_say(" one ")
    first = say(client, "I like tea", session_id="s1").json()
    assert (first["reply"], first["metadata"]["model"]) == ("one", "openai-compatible/test-model")
    say(client, "And now?", session_id="s1")
    request = model.asked[-1]
    system, *said = request["messages"]
    assert request["model"] == "test-model"
    assert system["role"] == "system"
    assert "formal style" in system["content"]
    assert "Junaid likes (/user) tea." in system["content"]
    assert [(one["role"], one["content"]) for one in said] == [
        ("user", "I like tea"),
        ("assistant", "one"),
        ("user", "And now?"),
    ]
    assert [tool["function"]["name"] for tool in request["tools"]] == ["get_current_time"]


def test_a_tool_call_goes_there_and_back(chat, model):
    model.will_call("get_current_time")
    model.will_say("It is late.")
    assert say(chat(), "What time is it?").json()["reply"] == "It is late."
    call, result = model.asked[1]["messages"][-2:]
    assert call["tool_calls"][0]["function"]["name"] == "get_current_time"
    assert (result["role"], result["tool_call_id"]) == ("tool", call["tool_calls"][0]["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\+00:00", result["content"])


def test_a_model_that_only_calls_tools_is_stopped(chat, model):
    model.will_call("get_current_time")
    answer = say(chat(max_tool_rounds=3, generate_attempts=1), "Hello")
    assert (answer.status_code, answer.json()["detail"]) == (502, "The model found no answer in 3 rounds.")
    assert len(model.asked) == 3


def test_a_busy_model_is_asked_again_when_it_said(chat, model, engine):
    model.will_fail(429, retry_after="1")
    model.will_say("Here I am.")
    started = time.monotonic()
    assert say(chat(), "Hello").json()["reply"] == "Here I am."
    assert time.monotonic() - started > 1
    # Two tasks, neither of them failed: the pause is a timer of the workflow, not an attempt that is used up.
    assert engine.runs("generate_response") == 2


@pytest.mark.parametrize(("retry_after", "asked"), [("0", 3), ("3600", 1)])
def test_a_model_that_stays_busy_is_given_up(chat, model, retry_after, asked):
    model.will_fail(429, retry_after=retry_after)
    answer = say(chat(model_busy_waits=2, generate_attempts=1), "Hello")
    assert (answer.status_code, answer.json()["detail"]) == (503, "The model answered 429.")
    assert len(model.asked) == asked


@pytest.mark.parametrize(
    ("status", "body", "answered", "attempts"),
    [
        (429, None, 503, 3),
        (500, None, 502, 3),
        (200, b'{"choices": [', 502, 3),
        (200, {"choices": []}, 502, 3),
        (401, {"error": {"message": "Incorrect API key provided: sk-secret"}}, 502, 1),
    ],
)
def test_a_model_that_fails(chat, model, sidecar, status, body, answered, attempts, engine):
    model.will_fail(status, body)
    answer = say(chat(), "Hello", session_id="s1")
    assert answer.status_code == answered, answer.text
    assert answer.json()["dependency"] == "model"
    assert answer.json()["instance_id"]
    assert "secret" not in answer.text
    # The retries are the workflow's alone: the client adds none.
    assert len(model.asked) == engine.runs("generate_response") == attempts
    assert not sidecar.published
    assert not stored(sidecar, "session:")["session:s1"]["recent"]


def test_the_first_reply_counts_when_the_first_request_starts_its_workflow_last(chat, model, sidecar, engine):
    """A repeat may have had the message answered before the request that claimed it starts the same instance."""
    client = chat()
    model.will_say("one")
    model.will_say("two")
    first = say(client, "Hello", session_id="s1", message_id="m1").json()
    start_again(sidecar, engine, first["instance_id"])
    eventually(lambda: engine.runs("save_conversation") == 2)
    eventually(lambda: client.get(f"/chat/{first['instance_id']}").json() == first)
    assert len(model.asked) == 2
    # Memory keeps the first event of an id.
    assert [each.event["id"] for each in sidecar.published] == ["m1", "m1"]
    assert [turn["assistant_reply"] for turn in stored(sidecar, "session:")["session:s1"]["recent"]] == ["one"]


def test_an_empty_reply_is_none(chat, model):
    model.will_say("")
    assert say(chat(generate_attempts=1), "Hello").json()["detail"] == "The answer of the model is empty."


def test_a_hang_is_a_504(chat, model):
    model.hang = threading.Event()
    model.will_say("too late")
    answer = say(chat(model_timeout_seconds=0.2, generate_attempts=1), "Hello")
    assert answer.status_code == 504
    assert answer.json()["dependency"] == "model"


def test_a_long_history_is_cut_to_its_newest_part(chat, model, memory):
    memory.conversations["s1"] = [
        {"role": "user", "content": f"{n} " + "x" * 396, "message_id": f"m{n}", "timestamp": "2026-01-01T00:00:00Z"}
        for n in range(50)
    ]
    model.will_say("yes")
    say(chat(history_tokens=300), "Hello", session_id="s1")
    assert [one["content"].split()[0] for one in model.asked[0]["messages"][1:]] == ["47", "48", "49", "Hello"]


# With a key for gemini, and no engine chosen, it is gemini.
@pytest.mark.parametrize(
    ("chosen", "provider", "secret"), [(None, "gemini", "GEMINI_API_KEY"), ("openai", "openai", "OPENAI_API_KEY")]
)
def test_the_key_comes_from_the_secret_store(chat, model, sidecar, chosen, provider, secret):
    sidecar.secrets["secretstore"][secret] = ""
    sidecar.secrets["envsecretstore"][secret] = "from-the-store"
    model.will_say("yes")
    client = chat(chosen, **{secret.lower(): "from-the-environment"})
    assert say(client, "Hello").json()["metadata"]["model"] == f"{provider}/test-model"
    assert model.headers[0]["authorization"] == "Bearer from-the-store"


def test_a_key_that_is_missing_is_named_and_may_come_later(chat, model, sidecar):
    model.will_say("yes")
    client = chat("openai")
    answer = say(client, "Hello")
    assert answer.status_code == 502
    assert "OPENAI_API_KEY is in none of secretstore, envsecretstore" in answer.json()["detail"]
    sidecar.secrets["secretstore"]["OPENAI_API_KEY"] = "late"
    assert say(client, "Hello").status_code == 200


def test_a_model_without_an_address_that_works(serve):
    answer = say(serve(model_engine="ollama", model_base_url="http://127.0.0.1:9/v1", generate_attempts=2), "Hello")
    assert (answer.status_code, answer.json()["detail"]) == (503, "The model cannot be reached.")


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "MODEL_BASE_URL and MODEL_NAME"),
        ({"model_name": "tiny"}, "MODEL_BASE_URL"),
        ({"model_base_url": "http://127.0.0.1:9/v1"}, "MODEL_NAME"),
    ],
)
def test_a_model_that_nobody_named_ends_the_service_as_it_starts(given, missing):
    with pytest.raises(ValidationError, match=f"MODEL_ENGINE=openai-compatible needs {missing}"):
        Settings(_env_file=None, model_engine="openai-compatible", **given)


def test_the_known_endpoints_are_encrypted_or_local():
    addresses = [url for url, _, _ in ENDPOINTS.values() if url]
    assert all(url.startswith(("https://", "http://127.0.0.1:")) for url in addresses)


def test_nothing_is_sent_to_the_makers_tracing_service():
    importlib.import_module("replies.agent")
    assert get_trace_provider()._disabled
