"""Fixtures: the service in this process, beside a stand-in for its sidecar."""

pytest_plugins = ["kit.fakes.service", "kit.fakes.beside", "kit.fakes.pizza"]
