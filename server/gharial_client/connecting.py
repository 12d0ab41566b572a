"""Opening a stream, with patience: a full, starting or restarting fleet is asked again, a wrong request is not."""

import asyncio
import random
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus

# 408 and 425 may pass with time, 429 and the 5xx of servers and gateways say so themselves.
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_PAUSE = 5.0


class StreamError(RuntimeError):
    """The stream cannot be had or was ended for good; the message says why and what helps."""


@dataclass
class Patience:
    """How long connecting may take in all, in seconds, since the last progress."""

    seconds: float = 30.0
    attempts: int = field(default=0, init=False)
    _until: float | None = field(default=None, init=False)

    def progress(self) -> None:
        """Something came back: patience is whole again."""
        self._until, self.attempts = None, 0

    async def pause(self, why: str, retry_after: float | None = None) -> None:
        """Waits before the next attempt. Raises StreamError with `why` when patience has run out."""
        now = asyncio.get_running_loop().time()
        self._until = self._until if self._until is not None else now + self.seconds
        self.attempts += 1
        wait = retry_after if retry_after is not None else min(0.1 * 2**self.attempts, _LONGEST_PAUSE)
        # Clients that were refused together shall not come back together.
        wait *= random.uniform(0.8, 1.2)
        if now + wait > self._until:
            raise StreamError(f"{why}; gave up after {self.attempts} attempts")
        await asyncio.sleep(wait)


async def open_stream(url: str, headers: dict[str, str], patience: Patience) -> ClientConnection:
    """A connection on which audio may be sent at once. Raises StreamError."""
    while True:
        try:
            return await connect(
                url, additional_headers=headers, compression=None, max_size=None, open_timeout=10, ping_timeout=None
            )
        except InvalidStatus as error:
            response = error.response
            told = (response.body or b"").decode(errors="replace").strip()
            why = f"the server refused the stream: {told or f'HTTP {response.status_code}'}"
            # Envoy refuses so what has no ready pod behind it; where it is a real refusal, patience runs out.
            nobody_there = response.status_code == 403 and not told
            if nobody_there:
                why = "no server is ready behind the gateway, or it refuses the stream (HTTP 403)"
            if response.status_code not in _RETRYABLE and not nobody_there:
                raise StreamError(why) from error
            await patience.pause(why, _seconds(response.headers.get("Retry-After")))
        except (OSError, TimeoutError, InvalidMessage) as error:
            await patience.pause(f"{url.partition('?')[0]} cannot be reached: {error or 'no answer in time'}")
        except InvalidHandshake as error:
            raise StreamError(f"{url.partition('?')[0]} is no WebSocket endpoint: {error}") from error


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isascii() and header.isdigit() else None
