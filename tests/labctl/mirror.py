"""A mirror of Dapr's release archives: a real HTTP server with github.com's paths, which can misbehave."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from labctl.make.releases import ARCHIVES, Archive


def program(version: str) -> bytes:
    """Return a program that reports its version as Dapr's do."""
    return f"#!/bin/sh\necho {version}\n".encode()


def packed(*names: str, content: bytes) -> bytes:
    """Return a .tar.gz of members with these names and the same content."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def published(archive: Archive, content: bytes) -> dict[str, bytes]:
    """Return an archive and its checksum by path."""
    digest = hashlib.sha256(content).hexdigest()
    return {archive.path: content, f"{archive.path}.sha256": f"{digest}  {archive.name}\n".encode()}


class Mirror:
    """The server: a file or a misbehaviour for each path, and the requests that it received."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | Callable[[Mirror, BaseHTTPRequestHandler], None]] = {}
        self.asked: list[str] = []
        self.closing = threading.Event()
        for archive in ARCHIVES:
            content = packed(archive.program, content=program(archive.version))
            self.answers |= published(archive, content)

    def cut_off(self, handler: BaseHTTPRequestHandler) -> None:
        """Close the connection in the middle of a file."""
        _begin(handler, 100)
        handler.wfile.write(b"x" * 50)

    def stall(self, handler: BaseHTTPRequestHandler) -> None:
        """Send half a file and then nothing until the mirror is closed."""
        self.cut_off(handler)
        handler.wfile.flush()
        self.closing.wait()

    def be_silent(self, _: BaseHTTPRequestHandler) -> None:
        """Accept a request and send nothing until the mirror is closed."""
        self.closing.wait()

    def be_without(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer with 404."""
        handler.send_error(404)

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        self.asked.append(handler.path)
        answer = self.answers[handler.path]
        if isinstance(answer, bytes):
            _begin(handler, len(answer))
            handler.wfile.write(answer)
        else:
            answer(self, handler)


def _begin(handler: BaseHTTPRequestHandler, length: int) -> None:
    handler.send_response(200)
    handler.send_header("content-length", str(length))
    handler.end_headers()


@contextmanager
def running(mirror: Mirror) -> Iterator[str]:
    """Run the mirror and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mirror.serve(self)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output to itself."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            mirror.closing.set()
            server.shutdown()
            thread.join()
