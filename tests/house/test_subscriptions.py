"""Each dead-letter topic is read, and as raw payloads: Dapr drops the others."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.house.repository import ROOT

DOCUMENTS = [one for path in (ROOT / "components").glob("*.yaml") for one in yaml.safe_load_all(path.read_text())]
BY_TOPIC: dict[str, dict[str, Any]] = {one["spec"]["topic"]: one for one in DOCUMENTS if one["kind"] == "Subscription"}


@pytest.mark.parametrize("topic", [name for name, one in BY_TOPIC.items() if "deadLetterTopic" in one["spec"]])
def test_a_dead_letter_reaches_the_app_whatever_its_payload_is(topic: str) -> None:
    failed, dead = BY_TOPIC[topic], BY_TOPIC[BY_TOPIC[topic]["spec"]["deadLetterTopic"]]
    assert dead["spec"]["metadata"] == {"rawPayload": "true"}
    assert dead["spec"]["pubsubname"] == failed["spec"]["pubsubname"]
    # The letters of task-api are kept by notification-service, beside its own.
    assert dead["scopes"] in (failed["scopes"], ["notification-service"])
