"""The agent's HTTP port: /healthz, /readyz and /metrics."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, generate_latest

CARDS = Gauge("gharial_agent_cards", "Cards of this node by phase.", ["phase"])
LICENCES = Gauge("gharial_agent_licences", "Cards of this node by their licence's state.", ["state"])
LICENCE_DAYS = Gauge(
    "gharial_agent_licence_days_left", "Days until a card's licence ends; only licences that end.", ["unique_id"]
)
FLASHES = Counter("gharial_agent_flashes_total", "Flashes that ended, by result.", ["result"])
TICKS = Counter("gharial_agent_decisions_total", "Times that the agent has looked and decided.")

# Without a decision for this long the agent hangs and is started again.
LONGEST_SILENCE_SECONDS = 120.0


class Pulse:
    """When the loop last went round, and whether the agent can do its work."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.ready: Callable[[], bool] = lambda: False

    def beat(self) -> None:
        """The loop went round."""
        self._last = time.monotonic()
        TICKS.inc()

    @property
    def alive(self) -> bool:
        """Whether the loop still goes round."""
        return time.monotonic() - self._last < LONGEST_SILENCE_SECONDS


def serve(port: int, pulse: Pulse) -> ThreadingHTTPServer:
    """Serves in a thread until `shutdown`. Raises OSError when the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = answer(self.path, pulse)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes are not worth a line."""

    server = ThreadingHTTPServer(("", port), Handler)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server


def answer(path: str, pulse: Pulse) -> tuple[int, str, bytes]:
    """Status, content type and body for a path."""
    match path.partition("?")[0]:
        case "/healthz":
            return text(pulse.alive, "the decision loop hangs")
        case "/readyz":
            return text(pulse.ready(), "not registered with the kubelet yet, or no word from the API server")
        case "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest()
    return 404, "text/plain", b"not found\n"


def text(good: bool, complaint: str) -> tuple[int, str, bytes]:
    """ok, or what is wrong."""
    return (200, "text/plain", b"ok\n") if good else (503, "text/plain", f"{complaint}\n".encode())
