"""Configuration: values that change while the app runs. A change arrives within milliseconds.

A subscription ends with its sidecar, and Dapr does not renew it. So this app does, and reads the values again.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any

from dapr.clients.grpc._response import ConfigurationItem
from dapr.proto import api_v1
from fastapi import APIRouter, Request
from grpc.aio import AioRpcError

from kit.sidecar.client import SdkClient
from kit.sidecar.unavailable import Unavailable
from models import LiveConfiguration, LiveValue

# The keys, each with its valid values and its default.
KEYS = {"feature-flag-x": ("on|off", "off"), "max-retry-count": ("[0-9]{1,3}", "3")}
# A subscription can be lost without an error, for example by Redis, so it is renewed now and then.
RENEW_SECONDS = 60
PAUSE_SECONDS = 0.5

log = logging.getLogger("configuration")
router = APIRouter(tags=["configuration"])


class LiveSettings:
    """The values of the configuration store, as `watch` keeps them."""

    def __init__(self, sdk: SdkClient, store: str) -> None:
        self._sdk, self._store = sdk, store
        self.now = LiveConfiguration(values={}, subscribed=False)
        self._take(dict.fromkeys(KEYS))

    async def watch(self) -> None:
        """Follow the store until cancelled. Subscribe again when the subscription has ended."""
        while True:
            try:
                async with asyncio.timeout(RENEW_SECONDS):
                    await self._follow()
            except TimeoutError:
                continue
            except (Unavailable, AioRpcError) as error:
                log.warning("configuration not followed", extra={"reason": str(error)})
            self.now.subscribed = False
            await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self) -> None:
        request = api_v1.SubscribeConfigurationRequest(store_name=self._store, keys=list(KEYS))
        # The asyncio client's subscribe_configuration does not work (docs/dapr-faults.md). Its stub does.
        async with self._sdk.calling(self._store) as client:
            stub: Any = client._stub  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]
            changes = stub.SubscribeConfiguration(request)
            await changes.read()  # an id: from now on no change is missed
            found = (await client.get_configuration(self._store, list(KEYS), {})).items
        self._take({key: found.get(key) for key in KEYS})
        self.now.subscribed = True
        while change := await changes.read():
            self._take(change.items)

    def _take(self, items: Mapping[str, ConfigurationItem | None]) -> None:
        for key, item in items.items():
            valid, default = KEYS[key]
            # A key that was deleted arrives with an empty value.
            value, version = (item.value, item.version) if item and item.value else (default, None)
            if re.fullmatch(valid, value):
                self.now.values[key] = LiveValue(value=value, version=version or None)
            else:
                log.warning("configuration value ignored", extra={"key": key, "version": version})


@router.get("/configuration")
async def configuration(request: Request) -> LiveConfiguration:
    """Show the values that this replica uses now."""
    return request.state.services.live.now
