"""Fixtures of callee's tests, which need no Dapr: the service in this process, or as a process."""

from pathlib import Path

pytest_plugins = ["kit.fakes.service"]
SERVICE = Path(__file__).parent.parent
