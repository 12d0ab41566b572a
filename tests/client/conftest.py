"""Real servers and real sockets. Faked: the recogniser, by one that reads its words out of the audio itself."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import numpy as np
import pytest
from gharial_asr.keywords import Keywords
from gharial_server.engine.interface import Alternative, Answer, EngineFullError, KeywordRules, ModelInfo
from gharial_server.ports import open_ports
from gharial_server.run import Running, running
from gharial_server.settings import Settings

FRAME = 960


def spoken(frames: Sequence[int]) -> np.ndarray:
    """Audio in which each frame carries a number; 0 is silence."""
    return np.repeat(np.array(frames, np.int16), FRAME)


class ReadingStream:
    """Says " n" for each frame that carries the number n, and nothing for silence."""

    def __init__(self, number: int, sink: Any, engine: "ReadingEngine") -> None:
        self.id, self._sink, self._engine = number, sink, engine
        self._rest = np.zeros(0, np.int16)
        self._frame = 0
        self.backlog_seconds = 0.0

    def push(self, samples: bytes) -> None:
        self._rest = np.concatenate((self._rest, np.frombuffer(samples, np.int16)))
        while len(self._rest) >= FRAME:
            self._say(self._rest[:FRAME])
            self._rest = self._rest[FRAME:]

    def finish(self) -> None:
        self.close()
        self._say(self._rest, closing=True)

    def close(self) -> None:
        self._engine.streams.pop(self.id, None)

    def _say(self, samples: np.ndarray, closing: bool = False) -> None:
        number = int(samples.max(initial=0))
        start, end = self._frame * 0.06, self._frame * 0.06 + len(samples) / 16000
        self._frame += 1
        words = f" {number}" if number else ""
        answer = Answer(start, end, False, (Alternative(words, 1.0),), closing)
        asyncio.get_running_loop().call_soon(self._sink, [(self.id, answer)])


class ReadingEngine:
    """An engine for tests of the client: what it recognises is what was put into the audio."""

    frame_seconds = 0.06
    alive = True
    process_id = os.getpid()
    keyword_rules = KeywordRules()
    model = ModelInfo("general", "v1", "en", "", "test")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.streams: dict[int, ReadingStream] = {}
        self._numbers = itertools.count(1)

    @property
    def active(self) -> int:
        return len(self.streams)

    def open(self, sink: Any, keywords: Keywords, alternatives: int) -> ReadingStream:
        if self.active >= self.capacity:
            raise EngineFullError
        stream = ReadingStream(next(self._numbers), sink, self)
        self.streams[stream.id] = stream
        return stream

    def stop(self) -> None:
        self.streams.clear()


class Harness:
    """Servers for clients."""

    spoken = staticmethod(spoken)

    @contextlib.asynccontextmanager
    async def serve(self, port: int = 0, capacity: int = 100, **options: Any) -> AsyncIterator[Running]:
        """A server whose recogniser reads numbers; its URL is `url(server)`."""
        settings = Settings(backend="null", host="127.0.0.1", port=port, http_port=0, api_port=0, **options)

        async def connect(_: object) -> ReadingEngine:
            return ReadingEngine(capacity)

        with open_ports(settings) as ports:
            async with running(settings, ports, connect) as server:
                await asyncio.wait_for(server.loaded, 10)
                yield server

    def url(self, server: Running) -> str:
        return f"ws://127.0.0.1:{server.port}"

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Waits for a condition; fails when it does not come."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.fixture
def harness() -> Harness:
    return Harness()
