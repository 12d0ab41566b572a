"""The network address of one machine's controller: HTTPS in front of the emulator, and ways to be unwell."""

import http.server
import ssl
import threading
from enum import StrEnum
from pathlib import Path
from typing import Any

from gharial_cluster.redfish.emulator import Emulator

_PASSED_ON = ("Authorization", "Content-Type", "Accept", "X-Auth-Token")
_LONGEST_SILENCE = 300.0


class Mood(StrEnum):
    """How a controller takes a request. FAILS answers 500; SILENT takes it and answers nothing."""

    OBEYS = "obeys"
    FAILS = "fails"
    SILENT = "silent"


class Door(http.server.ThreadingHTTPServer):
    """Listens from the start, and serves between `open` and `close`; set its mood with `turn`."""

    daemon_threads = True
    block_on_close = False  # silent requests must not keep the door from closing

    def __init__(self, address: str, pki: Path, emulator: Emulator, node: str) -> None:
        super().__init__((address, 0), _Request)
        self.emulator = emulator
        self.mood = Mood.OBEYS
        self.changed = threading.Condition()
        self.url = f"https://{address}:{self.server_port}{emulator.path(node)}"
        self.encryption = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.encryption.load_cert_chain(pki / "bmc.crt", pki / "bmc.key")

    def open(self) -> None:
        """Serves, in threads of its own."""
        threading.Thread(target=self.serve_forever, name="controller", daemon=True).start()

    def close(self) -> None:
        """Ends serving and listening."""
        self.turn(Mood.OBEYS)
        self.shutdown()
        self.server_close()

    def turn(self, mood: Mood) -> None:
        """Changes the mood; whoever waits for an answer of a silent controller is cut off."""
        with self.changed:
            self.mood = mood
            self.changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes in the middle of a request is none of ours to tell of."""


class _Request(http.server.BaseHTTPRequestHandler):
    server: Door
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        # In the request's own thread, so that a client that dawdles holds up no other.
        self.request.settimeout(_LONGEST_SILENCE)
        self.request = self.server.encryption.wrap_socket(self.request, server_side=True)
        super().setup()

    def do_GET(self) -> None:
        """Reads a resource."""
        self._serve()

    def do_POST(self) -> None:
        """Acts on a resource."""
        self._serve()

    def do_PATCH(self) -> None:
        """Changes a resource."""
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match self.server.mood:
            case Mood.FAILS:
                self._answer(500, {}, b"")
            case Mood.SILENT:
                with self.server.changed:
                    self.server.changed.wait_for(lambda: self.server.mood is not Mood.SILENT, _LONGEST_SILENCE)
                self.close_connection = True
            case Mood.OBEYS:
                headers = {name: value for name in _PASSED_ON if (value := self.headers.get(name))}
                try:
                    answer = self.server.emulator.ask(self.command, self.path, headers, body or None)
                except OSError as error:
                    self._answer(502, {"Content-Type": "text/plain"}, str(error).encode())
                else:
                    self._answer(answer.status, answer.headers, answer.body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name in ("Content-Type", "WWW-Authenticate", "ETag", "Location"):
            if name in headers:
                self.send_header(name, headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """The emulator keeps a log of its own."""
