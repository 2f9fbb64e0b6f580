"""The helpers of the services' tests."""

import asyncio
import socket
import sys

import pytest

from kit.fakes.waiting import held_port, listens


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the port is merely free at first")
async def test_a_held_port_is_given_only_to_a_server_that_asks_for_it():
    with held_port() as port:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        assert not listens(port)
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", port):
            assert listens(port)
