"""A real `gharial serve`, and its page in Debian's Chromium. Faked: the microphone, which plays a recording."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from playwright.async_api import Page, WebSocket, async_playwright, expect

CHROMIUM = Path("/usr/bin/chromium")
# No sandbox, because tests run as root; no background traffic, because nothing outside is to be asked.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)  # fmt: skip
LOADING_SECONDS = 90
# How long the page may take for anything it shows.
PATIENCE_MILLISECONDS = 30_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)


@dataclass(frozen=True)
class Server:
    """A running `gharial serve`."""

    process: subprocess.Popen[bytes]
    port: int
    http_port: int
    api_port: int

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://localhost:{self.api_port}/"


def is_ready(server: Server) -> bool:
    """Whether it takes streams now; a machine with other work may be slow to answer."""
    try:
        return httpx.get(f"http://localhost:{server.http_port}/readyz").is_success
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def serving(*options: str, log: Path | None = None) -> Iterator[Server]:
    """`gharial serve` with these options, ready; its log goes to a file if one is named."""
    words = ["serve", "--host", "127.0.0.1", "--port", "0", "--http-port", "0", "--api-port", "0", *options]
    process = subprocess.Popen([sys.executable, "-m", "gharial_cli", *words], stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        started = json.loads(process.stderr.readline())
        server = Server(process, started["port"], started["http_port"], started["api_port"])
        deadline = time.monotonic() + LOADING_SECONDS
        while not is_ready(server):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(30)
        if log is not None:
            log.write_bytes(process.stderr.read())
        process.stderr.close()


@dataclass
class Browsed:
    """A page, with what it sent over its streams and what its console said."""

    page: Page
    streams: list[bytearray] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Notes from now on what the page does."""
        self.page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("websocket", self._watch_stream)

    def _watch_stream(self, stream: WebSocket) -> None:
        sent = bytearray()
        self.streams.append(sent)
        self.requested.append(stream.url)
        stream.on("framesent", lambda payload: sent.extend(payload))

    async def status(self, text: str) -> None:
        """Waits until the page says this."""
        await self.page.get_by_role("status").get_by_text(text, exact=True).wait_for()

    async def words(self) -> str:
        """The transcript that the page shows, without the times in its margin."""
        return " ".join(await self.page.locator("#text .word").all_inner_texts())


@contextlib.asynccontextmanager
async def browsing(url: str, microphone: Path | None = None, **context: object) -> AsyncIterator[Browsed]:
    """The page in a fresh Chromium; microphone: the wav file that is spoken into it, once."""
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={microphone}%noloop"] if microphone else list(FLAGS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            page = await (await browser.new_context(**context)).new_page()
            page.set_default_timeout(PATIENCE_MILLISECONDS)
            browsed = Browsed(page)
            browsed.watch()
            await page.goto(url)
            await page.locator("#text:not([aria-busy])").wait_for()
            yield browsed
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def cuttable(port: int) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A port that leads to `port`, and an event that breaks what goes through it now; later connections are whole."""
    cut = asyncio.Event()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server = await asyncio.open_connection("127.0.0.1", port)
        ways = [
            asyncio.ensure_future(carry(reader, to_server[1])),
            asyncio.ensure_future(carry(to_server[0], writer)),
            asyncio.ensure_future(cut.wait()),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        cut.clear()
        for way in ways:
            way.cancel()
        for end in (writer, to_server[1]):
            end.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], cut
