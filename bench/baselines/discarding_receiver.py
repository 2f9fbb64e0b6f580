"""A receiver of spans that reads and forgets them: what sending costs a sidecar, with the cheapest receiver."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answer each POST as Zipkin does."""

    protocol_version = "HTTP/1.1"  # the sidecar keeps its connection

    def do_POST(self) -> None:
        """Read the spans and forget them."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response_only(202)
        self.send_header("Content-Length", "0")
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
