"""Secrets are looked up in each store, then in the settings; "cannot be read" is not "does not exist"."""

import asyncio

import grpc
import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from kit.sidecar.secrets import Secrets
from kit.sidecar.unavailable import Unavailable


class Settings(BaseSettings):
    api_key: SecretStr | None = None


async def get(sdk, *names, stores=("secretstore", "envsecretstore"), **settings):
    secrets = Secrets(sdk, stores, Settings(**settings))
    found = await asyncio.gather(*(secrets.get(name) for name in names))
    return [secret and secret.get_secret_value() for secret in found]


async def test_the_first_store_that_has_a_secret_counts_then_the_settings(sidecar, sdk):
    sidecar.secrets = {"secretstore": {"A": "one"}, "envsecretstore": {"A": "two", "B": "three"}}
    assert await get(sdk, "A", "B", "API_KEY", "C", api_key="mine") == ["one", "three", "mine", None]
    assert await get(sdk, "B", stores=("missing", "envsecretstore")) == ["three"]


async def test_a_secret_that_was_found_is_asked_for_once(sidecar, sdk):
    sidecar.secrets["secretstore"]["A"] = "one"
    assert await get(sdk, "A", "A", "A") == ["one"] * 3
    assert sidecar.calls.count(("GetSecret", "A")) == 1


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNKNOWN]
)
async def test_a_store_that_cannot_be_asked_is_a_failure(sidecar, sdk, code):
    sidecar.refuse = lambda *_: (code, "no")
    with pytest.raises(Unavailable):
        await get(sdk, "API_KEY", api_key="mine")


async def test_a_store_that_keeps_a_secret_from_this_app_is_passed_over(sidecar, sdk):
    sidecar.refuse = lambda *_: (grpc.StatusCode.PERMISSION_DENIED, "access denied by policy")
    assert await get(sdk, "API_KEY", api_key="mine") == ["mine"]


async def test_a_secret_that_is_needed_and_missing_is_named(sidecar, sdk):
    secrets = Secrets(sdk, ["secretstore", "envsecretstore"], Settings())
    with pytest.raises(Unavailable, match="API_KEY is in none of secretstore, envsecretstore") as missing:
        await secrets.need("API_KEY")
    assert missing.value.status == 502
    sidecar.secrets["envsecretstore"]["API_KEY"] = "late"
    assert (await secrets.need("API_KEY")).get_secret_value() == "late"
