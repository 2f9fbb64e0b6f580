"""The apps that may publish to a topic, by Dapr's rules for scopes, and the subscriptions in a sidecar's metadata."""

from __future__ import annotations

import pytest

from console.components import Component, of_document
from console.events.topics import may_publish, of_metadata, topics

APPS = ["a", "b", "c"]


def broker(*scopes: str, **settings: str) -> Component:
    return Component("bus", "pubsub.redis", scopes, settings, {})


@pytest.mark.parametrize(
    ("component", "publishers"),
    [
        (broker(), ["a", "b", "c"]),
        (broker("a", "b"), ["a", "b"]),
        (broker(publishingScopes="a=news, other;b="), ["a", "c"]),
        (broker(publishingScopes="a=other"), ["b", "c"]),
        (broker(allowedTopics="other"), []),
        (broker(allowedTopics="news,other"), ["a", "b", "c"]),
        (broker(protectedTopics="news"), []),
        (broker(protectedTopics="news", publishingScopes="b=news"), ["b"]),
        (broker("a", publishingScopes="b=news"), ["a"]),
    ],
)
def test_scopes_decide_which_apps_may_publish(component: Component, publishers: list[str]) -> None:
    assert [app for app in APPS if may_publish(component, app, "news")] == publishers


def test_a_topic_is_known_by_a_scope_or_by_a_subscription() -> None:
    entry = {"pubsubname": "bus", "topic": "news", "deadLetterTopic": "dead", "type": "DECLARATIVE"}
    rules = [{"match": 'event.type == "x"', "path": "/x"}, {"path": "/other"}]
    subscription = of_metadata("b", entry | {"rules": rules, "metadata": {"rawPayload": "true"}})
    assert subscription.rules == (('event.type == "x"', "/x"), ("", "/other"))
    assert subscription.is_raw
    found = {one.name: one for one in topics([broker(publishingScopes="a=mail")], [subscription], APPS)}
    assert [*found] == ["dead", "mail", "news"]
    assert found["news"].subscriptions == (subscription,)
    assert found["dead"].dead_letters_of == ("news",)
    assert found["mail"].publishers == ("a", "b", "c")


def test_no_password_and_no_secret_of_a_component_is_kept() -> None:
    metadata = [
        {"name": "redisHost", "value": "localhost:6379"},
        {"name": "redisPassword", "value": "hidden"},
        {"name": "primaryEncryptionKey", "secretKeyRef": {"name": "KEY_NAME", "key": "KEY_NAME"}},
    ]
    document = {"metadata": {"name": "store"}, "spec": {"type": "state.redis", "metadata": metadata}}
    component = of_document(document)
    assert component.settings == {"redisHost": "localhost:6379"}
    assert component.secrets == {"primaryEncryptionKey": "KEY_NAME"}
    assert component.is_seen_by("anyone")
