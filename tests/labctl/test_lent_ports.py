"""The ports of `dapr init` are among those that Linux lends to outgoing connections: a start waits, then says so."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from labctl.errors import LabError
from labctl.up import infrastructure, processes


@pytest.fixture
def lent() -> Iterator[int]:
    """A port that is the near end of somebody's connection, on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.bind(("127.0.0.1", 0))
        client.connect(server.getsockname())
        yield client.getsockname()[1]


def test_a_lent_port_is_not_free_though_nobody_listens(lent: int) -> None:
    assert not processes.is_free(lent)
    assert processes.holder(lent) is None


def test_a_start_says_why_it_cannot_have_the_port(lent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infrastructure, "LENT_FOR", 0.2)
    with pytest.raises(LabError, match=rf"scheduler needs port {lent}, .* outgoing connection .* try again"):
        infrastructure._wait_until_free("scheduler", lent)
