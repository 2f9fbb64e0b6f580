"""A mail server for lab 5: it takes every mail. `python3 labctl/demos/mailbox.py --port 1125` prints them."""

from __future__ import annotations

import email
import signal
import socketserver
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from email.message import Message
from threading import Thread


@contextmanager
def mailbox(port: int, taken: Callable[[Message], object]) -> Generator[None]:
    """Call `taken` with each mail that arrives while the block runs. Raise OSError when the port is held."""

    class Session(socketserver.StreamRequestHandler):
        timeout = 10  # seconds without a command

        def handle(self) -> None:
            self._answer("220 ready")
            while command := self.rfile.readline(4096)[:4].upper():
                if command == b"DATA":
                    self._answer("354 end with a dot")
                    taken(email.message_from_bytes(b"".join(self._lines())))
                self._answer("221 bye" if command == b"QUIT" else "250 OK")

        def _lines(self) -> Generator[bytes]:
            while (line := self.rfile.readline(4096)) not in (b".\r\n", b""):
                yield line.removeprefix(b".")

        def _answer(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", port), Session) as server:
        Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


if __name__ == "__main__":
    with mailbox(int(sys.argv[2]), lambda mail: print(f"{mail['to']}: {mail['subject']}", flush=True)):
        signal.pause()
