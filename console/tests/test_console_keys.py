"""The keys of an app and their values, in the form in which Dapr keeps them in Redis."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

import pytest

from console.components import Component
from console.pages.kept.keys import owners, row_of, sentence
from console.state.keys import Key, Look, Value, escaped, of_data
from console.state.stores import stores

SEALED = b"FbvUZagV5Y2eWInxXz2UZboQl3hO7u2ZTKQoasYA||STATE_ENCRYPTION_KEY"


def test_of_an_encrypted_value_only_the_name_of_its_key_is_read() -> None:
    assert of_data(SEALED) == Value("STATE_ENCRYPTION_KEY", "")


@pytest.mark.parametrize("text", ['{"a": "b||KEY"}', '"QUJD||KEY"', "a b||KEY", "17", "", "{broken"])
def test_any_other_value_is_shown(text: str) -> None:
    found = of_data(text.encode())
    assert found.encrypted_with == ""
    assert found.text == text or json.loads(found.text) == json.loads(text)


@pytest.mark.parametrize("text", ["a*b", "a?b", "[ab]", "a\\b"])
def test_a_prefix_matches_only_itself(text: str) -> None:
    assert escaped("plain:1") == "plain:1"
    assert escaped(text) == "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in text)
    assert not fnmatchcase("axb", escaped(text))


def test_a_store_says_which_apps_and_which_key_encrypts() -> None:
    secrets = {"primaryEncryptionKey": "KEY_NAME"}
    found = stores(
        [
            Component("plain", "state.redis", ("a",), {}, {}),
            Component("sealed", "state.redis", (), {}, secrets),
            Component("shared", "state.redis", (), {"keyPrefix": "name"}, {}),
            Component("fixed", "state.redis", (), {"keyPrefix": "all"}, {}),
            Component("bare", "state.redis", (), {"keyPrefix": "none"}, {}),
            Component("bus", "pubsub.redis", (), {}, {}),
        ],
        ["a", "b"],
    )
    assert [(one.name, one.owners) for one in found] == [
        ("plain", ("a",)),
        ("sealed", ("a", "b")),
        ("shared", ("shared",)),
        ("fixed", ("all",)),
        ("bare", ()),
    ]
    assert [one.key_name for one in found if one.key_name] == ["KEY_NAME"]
    assert owners(found) == {
        "a": "a (plain, sealed)",
        "all": "all (fixed)",
        "b": "b (sealed)",
        "shared": "shared (shared)",
    }


def test_a_row_says_when_a_key_expires_and_whether_it_is_encrypted() -> None:
    row = row_of(Key("app||task||1", "3", 3_725, 1_234), "KEY_NAME")
    assert (row["key"], row["expires"], row["size"]) == ("task||1", "1 h 2 min", "1,234 bytes")
    assert row["kind"] == "encrypted with KEY_NAME"
    assert row_of(Key("app||x", "1", None, 1), "")["expires"] == "never"


def test_a_look_that_stopped_early_says_so() -> None:
    assert sentence(Look()) == "No keys."
    assert sentence(Look(["a||b"])) == "1 key."
    assert "There are more." in sentence(Look(["a||b"], cursor=5, looked_at=20_000))
