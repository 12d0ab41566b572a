"""Real servers on real sockets. Faked: nothing. The engine is the null engine unless a test says otherwise."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from gharial_server.front_process import first
from gharial_server.link.door import make_door
from gharial_server.link.watchdog import MOST_SILENT_SECONDS, watched
from gharial_server.ports import open_ports
from gharial_server.run import Running, running
from gharial_server.settings import Settings
from gharial_server.supervisor import engine_keeper
from websockets.asyncio.client import ClientConnection, connect

LOCAL: dict[str, Any] = {"backend": "null", "host": "127.0.0.1", "port": 0, "http_port": 0, "api_port": 0}
TARGET = "/asr/v0.1/stream?content_type=audio/x-raw;format=S16LE;channels=1;rate=16000"


class Process:
    """A running `gharial serve` with what it has logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.pids: dict[str, int] = {}

    async def log(self, message: str) -> dict[str, Any]:
        """Reads the log up to a line with this message."""
        while True:
            text = await asyncio.wait_for(self.process.stderr.readline(), 30)
            assert text, f"the process ended; it said {self.lines}"
            self.lines.append(json.loads(text))
            if self.lines[-1]["message"] == "process started":
                self.pids[self.lines[-1]["child"]] = self.lines[-1]["pid"]
            if self.lines[-1]["message"] == message:
                return self.lines[-1]

    async def ready(self) -> tuple[str, int]:
        """The URL of its stream and the port of its operations, once it is ready."""
        started = await self.log("started")
        self.url = f"ws://127.0.0.1:{started['port']}{TARGET}"
        await self.log("ready")
        return self.url, started["http_port"]

    async def connect(self) -> connect:
        """A connection to its stream, once it is ready."""
        url, _ = await self.ready()
        return connect(url, proxy=None, compression=None)


class Harness:
    """What the tests do with a server."""

    @contextlib.asynccontextmanager
    async def serve(self, **options: Any) -> AsyncIterator[Running]:
        """A front end in this process, with the null engine in a process of its own, loaded."""
        async with self.starting(**options) as (server, engine):
            await first(server.loaded, engine, seconds=120)
            yield server

    @contextlib.asynccontextmanager
    async def starting(
        self, silence: float = MOST_SILENT_SECONDS, **options: Any
    ) -> AsyncIterator[tuple[Running, asyncio.Task[None]]]:
        """The same, with the engine still loading, and the task that keeps the engine: it ends with what makes the
        engine impossible."""
        settings = Settings(**(LOCAL | options))
        inside, outside = make_door()
        with open_ports(settings) as ports, inside, outside:
            engine = self.engine = engine_keeper(settings, outside)
            keeping = self.keeping = asyncio.create_task(engine.run())
            try:
                async with running(settings, ports, watched(inside, silence)) as server:
                    yield server, keeping
            finally:
                await engine.end()
                await asyncio.wait([keeping])

    @contextlib.asynccontextmanager
    async def process(self, *options: str) -> AsyncIterator[Process]:
        """A server that is a process of its own, with the null engine."""
        ports = ["--port", "0", "--http-port", "0", "--api-port", "0"]
        words = ["serve", "--backend", "null", "--host", "127.0.0.1", *ports, *options]
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gharial_cli", *words, stderr=asyncio.subprocess.PIPE
        )
        try:
            yield Process(child)
        finally:
            if child.returncode is None:
                child.kill()
            await child.wait()

    def connect(self, server: Running, target: str = TARGET, **options: Any) -> connect:
        """A plain connection to the server's stream; it waits as long as a busy machine takes."""
        patient = {"proxy": None, "compression": None, "open_timeout": 60, "ping_timeout": None}
        return connect(f"ws://127.0.0.1:{server.port}{target}", **{**patient, **options})

    async def end(self, connection: ClientConnection) -> list[str]:
        """Sends the end of stream and returns all answers up to the Close frame."""
        await connection.send(b"")
        return [str(message) async for message in connection]

    async def get(self, server: Running, path: str, method: str = "GET") -> httpx.Response:
        """One request to the operations endpoint."""
        async with httpx.AsyncClient() as client:
            return await client.request(method, f"http://127.0.0.1:{server.http_port}{path}")

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Waits for a condition; fails when it does not come."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.fixture
def harness() -> Harness:
    return Harness()
