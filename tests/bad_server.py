"""A server on loopback that misbehaves in the ways that servers do."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class BadServer(ThreadingHTTPServer):
    """Offers `content` at `url("good")`; each other method of `_Handler` is a way to fail at it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.requests = []  # the names asked for
        self.stopping = threading.Event()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, request, client_address) -> None:
        """Say nothing when a client hangs up: that is what it should do here."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.strip("/")
        self.server.requests.append(name)
        getattr(self, name, self.missing)()

    def log_message(self, *_) -> None:
        pass

    def send(self, body: bytes) -> None:
        """Promise the whole content, and send `body`."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(body)

    def good(self) -> None:
        self.send(self.server.content)

    def missing(self) -> None:
        self.send_error(404)

    def moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.server.url("good"))
        self.end_headers()

    def wrong_bytes(self) -> None:
        self.send(self.server.content[::-1])

    def truncated(self) -> None:
        self.send(self.server.content[:-1])

    def no_length_truncated(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.content[:-1])

    def garbage(self) -> None:
        self.wfile.write(b"\x00\x01 this is no HTTP \xff\n\n")

    def silent(self) -> None:
        self.server.stopping.wait()

    def half(self) -> None:
        self.send(self.server.content[: len(self.server.content) // 2])
        self.server.stopping.wait()


@contextmanager
def serve(content: bytes) -> Iterator[BadServer]:
    """Run a BadServer as long as the `with` block lasts."""
    with BadServer(content) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()
