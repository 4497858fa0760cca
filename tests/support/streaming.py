"""Network cameras: JPEGs over HTTP, one after the other, as MJPEG; and streams that lie in a file."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_EVERY_S = 0.05


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server of files: its host and port."""

    class Files(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, args=(0.1,)).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextmanager
def streaming(connections: Iterable[Iterable[bytes]]) -> Iterator[tuple[str, list[float]]]:
    """Twenty pictures a second: for each connection others, at whose end the camera hangs up. Who connects when there
    are no more is refused.

    Its address, and when it gave each picture.
    """
    given: list[float] = []
    waiting = iter(connections)

    class Stream(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if (pictures := next(waiting, None)) is None:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            with suppress(OSError):
                for picture in pictures:
                    head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
                    self.wfile.write(head + picture + b"\r\n")
                    given.append(time.monotonic())
                    time.sleep(_EVERY_S)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stream)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/stream.mjpg", given
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
