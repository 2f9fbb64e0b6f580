"""Times that are said in two places agree: a service's settings, and Dapr's in components/ and config/."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
import yaml

from tests.house.repository import ROOT, seconds, setting


def pubsub(name: str, component: str = "pubsub") -> str:
    metadata = yaml.safe_load((ROOT / f"components/{component}.yaml").read_text())["spec"]["metadata"]
    return next(one["value"] for one in metadata if one["name"] == name)


def attempts_of_an_event(policies: str, component: str) -> float:
    """Return the seconds from the first delivery of a failing event to the last, by a Resiliency of components/."""
    spec = yaml.safe_load((ROOT / f"components/{policies}.yaml").read_text())["spec"]
    retry = spec["policies"]["retries"][spec["targets"]["components"][component]["inbound"]["retry"]]
    return retry["maxRetries"] * seconds(retry["duration"])


# A client that gives up first never sees the retry that would help.
@pytest.mark.lab("invocation")
@pytest.mark.parametrize("target", ["callee-app", "callee-grpc-app"])
def test_callers_time_limit_outlasts_the_policy(target: str) -> None:
    spec = yaml.safe_load((ROOT / "components/resiliency.yaml").read_text())["spec"]
    chosen = spec["targets"]["apps"][target]
    retry = spec["policies"]["retries"][chosen["retry"]]
    if retry["policy"] == "constant":
        pauses = retry["maxRetries"] * seconds(retry["duration"])
    else:  # starts at 500 ms, grows by half, give or take a half (Dapr's kit/retry defaults)
        pauses = sum(min(0.5 * 1.5**n * 1.5, seconds(retry["maxInterval"])) for n in range(retry["maxRetries"]))
    attempts = (retry["maxRetries"] + 1) * seconds(spec["policies"]["timeouts"][chosen["timeout"]])
    assert setting("caller_service", "s.call_timeout_seconds") > attempts + pauses


@pytest.mark.lab("chat")
@pytest.mark.parametrize("service", ["chat_service", "agent_memory_service"])
def test_a_service_knows_how_long_a_stream_keeps_an_event(service: str) -> None:
    assert setting(service, "s.stream_ttl_seconds") == seconds(pubsub("streamTTL"))


# An event that a handler still has in hand is delivered again after processingTimeout, and then twice at once.
@pytest.mark.lab("chat")
def test_memory_gives_up_a_call_before_its_event_comes_again() -> None:
    assert setting("agent_memory_service", "s.sidecar_timeout_seconds") < seconds(pubsub("processingTimeout"))


# Else an event is delivered again beside the attempts that go on, each of which goes on then.
@pytest.mark.parametrize(
    ("policies", "component"),
    [
        pytest.param("resiliency-events", "pubsub", marks=pytest.mark.lab("chat")),
        pytest.param("pizza-resiliency", "pizzapubsub", marks=pytest.mark.lab("pizza")),
        pytest.param("task-resiliency", "taskpubsub", marks=pytest.mark.lab("blocks")),
    ],
)
def test_all_attempts_of_an_event_are_over_before_it_comes_again(policies: str, component: str) -> None:
    assert attempts_of_an_event(policies, component) < seconds(pubsub("processingTimeout", component))


# An event in hand when its user is forgotten may be written again, to the dead letters, when all attempts have failed.
@pytest.mark.lab("chat")
def test_memory_promises_no_sooner_than_an_event_under_way_is_given_up() -> None:
    under_way = attempts_of_an_event("resiliency-events", "pubsub") + seconds(pubsub("processingTimeout"))
    assert setting("agent_memory_service", "s.forgetting_slack_seconds") > under_way


# What leads to a user's workflows must live as long as they do.
@pytest.mark.lab("chat")
def test_chat_knows_its_workflows_as_long_as_dapr_keeps_them() -> None:
    policy = yaml.safe_load((ROOT / "config/config.yaml").read_text())["spec"]["workflow"]["stateRetentionPolicy"]
    assert setting("chat_service", "s.claim_ttl_seconds") >= seconds(policy["anyTerminal"])


# The chat lab's tests run with shorter times than the lab, and with nothing else that differs.
@pytest.mark.lab("chat")
@pytest.mark.parametrize(
    ("name", "differing"),
    [("pubsub.yaml", {"10m": "5s"}), ("resiliency-events.yaml", {"1s": "200ms", 12: 5})],
)
def test_what_the_tests_shorten_is_the_labs_in_all_else(name: str, differing: dict[object, object]) -> None:
    ours, theirs = (
        yaml.safe_load((ROOT / folder / name).read_text()) for folder in ("components", "tests/runtime/chat/brief")
    )
    told, shortened = list(leaves(ours)), list(leaves(theirs))
    assert [path for path, _ in told] == [path for path, _ in shortened]
    assert {one: other for (_, one), (_, other) in zip(told, shortened, strict=True) if one != other} == differing


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Yield every value of a document, with its place."""
    if isinstance(value, dict):
        for key, member in cast("dict[str, Any]", value).items():
            yield from leaves(member, (*path, key))
    elif isinstance(value, list):
        for number, member in enumerate(cast("list[Any]", value)):
            yield from leaves(member, (*path, number))
    else:
        yield path, value
