"""Fixtures for a service in the process of its tests: its `main.create_app`, with its `settings.Settings`.

A service's conftest.py names this module in `pytest_plugins`, and overrides `defaults` with the settings of its tests.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

# A host that services serve; the client's own `testserver` is none.
HOST = "http://localhost"


def app_with(**settings: Any) -> FastAPI:
    """Build the service with these settings, and nothing from a `.env` file."""
    return import_module("main").create_app(import_module("settings").Settings(_env_file=None, **settings))


@pytest.fixture(autouse=True, scope="session")
def _only_the_settings_of_the_tests() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    with pytest.MonkeyPatch.context() as environment:
        for name in import_module("settings").Settings.model_fields:
            environment.delenv(name.upper(), raising=False)
        yield


@pytest.fixture
def defaults() -> dict[str, Any]:
    """Return the settings of each service that `serve` starts, unless it is given others."""
    return {}


@pytest.fixture
def make_app() -> Callable[..., FastAPI]:
    """Return the function that builds the service from settings."""
    return app_with


@pytest.fixture
def serve(make_app: Callable[..., FastAPI], defaults: dict[str, Any]) -> Iterator[Callable[..., TestClient]]:
    """Return a function that starts the service with these settings; each call is another replica."""
    with ExitStack() as running:

        def start(**settings: Any) -> TestClient:
            app = make_app(**(defaults | settings))
            return running.enter_context(TestClient(app, HOST, raise_server_exceptions=False))

        yield start


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    """Return the client of a service with its fault switches on."""
    return serve(faults_enabled=True)
