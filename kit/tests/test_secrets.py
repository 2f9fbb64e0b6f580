"""Secrets are looked up in each store, then in the settings; "cannot be read" is not "does not exist"."""

import asyncio

import grpc
import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from kit.sidecar.secrets import Secrets
from kit.sidecar.unavailable import Unavailable
from kit.tests.sidecar_lab import connected


class Settings(BaseSettings):
    api_key: SecretStr | None = None


def get(sidecar, *names, stores=("secretstore", "envsecretstore"), **settings):
    async def story():
        async with connected(sidecar) as sdk:
            secrets = Secrets(sdk, stores, Settings(**settings))
            found = await asyncio.gather(*(secrets.get(name) for name in names))
            return [secret and secret.get_secret_value() for secret in found]

    return asyncio.run(story())


def test_the_first_store_that_has_a_secret_counts_then_the_settings(sidecar):
    sidecar.secrets = {"secretstore": {"A": "one"}, "envsecretstore": {"A": "two", "B": "three"}}
    assert get(sidecar, "A", "B", "API_KEY", "C", api_key="mine") == ["one", "three", "mine", None]
    assert get(sidecar, "B", stores=("missing", "envsecretstore")) == ["three"]


def test_a_secret_that_was_found_is_asked_for_once(sidecar):
    sidecar.secrets["secretstore"]["A"] = "one"
    assert get(sidecar, "A", "A", "A") == ["one"] * 3
    assert sidecar.calls.count(("GetSecret", "A")) == 1


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNKNOWN]
)
def test_a_store_that_cannot_be_asked_is_a_failure(sidecar, code):
    sidecar.refuse = lambda *_: (code, "no")
    with pytest.raises(Unavailable):
        get(sidecar, "API_KEY", api_key="mine")


def test_a_store_that_keeps_a_secret_from_this_app_is_passed_over(sidecar):
    sidecar.refuse = lambda *_: (grpc.StatusCode.PERMISSION_DENIED, "access denied by policy")
    assert get(sidecar, "API_KEY", api_key="mine") == ["mine"]


def test_a_secret_that_is_needed_and_missing_is_named(sidecar):
    async def story():
        async with connected(sidecar) as sdk:
            secrets = Secrets(sdk, ["secretstore", "envsecretstore"], Settings())
            with pytest.raises(Unavailable, match="API_KEY is in none of secretstore, envsecretstore") as missing:
                await secrets.need("API_KEY")
            assert missing.value.status == 502
            sidecar.secrets["envsecretstore"]["API_KEY"] = "late"
            assert (await secrets.need("API_KEY")).get_secret_value() == "late"

    asyncio.run(story())
