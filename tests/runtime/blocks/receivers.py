"""The systems that task-api's bindings call: a real SMTP server, and an HTTP server for webhooks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from labctl import runfile
from labctl.stack import TEST_OFFSET
from tests.serving import serving

# As labctl/runfile.py shifts them in the components.
MAIL, WEBHOOK = runfile.MAIL + TEST_OFFSET, runfile.WEBHOOK + TEST_OFFSET


class Mailbox:
    """The mails that the server took. While it is held, a mail that arrives waits."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], Message]] = []
        self.arrived = 0
        self.open = threading.Event()
        self.open.set()

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        self.arrived += 1
        assert await asyncio.to_thread(self.open.wait, 60)
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 OK"

    def subjects(self) -> list[str]:
        """Return the subjects, in the order of arrival."""
        return [str(mail["subject"]) for _, mail in self.mails]


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Run an SMTP server at the address of email-binding."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=MAIL)
    controller.start()
    try:
        yield box
    finally:
        box.open.set()
        controller.stop()


@contextmanager
def webhooks(status: int = 200) -> Iterator[list[tuple[str, dict[str, str], Any]]]:
    """Run an HTTP server at the address of webhook. Yield path, headers and body of each call."""
    calls: list[tuple[str, dict[str, str], Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            calls.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", WEBHOOK), Receiver)):
        yield calls
