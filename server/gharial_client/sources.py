"""Where audio comes from: a recording at some pace, or what is heard while it is sent.

A stream may be lost and begun again further back, so a source is asked for a place, not for what comes next.
"""

import asyncio
from typing import Protocol

import numpy as np
from gharial_wire.audio import SAMPLE_RATE

from gharial_client.recordings import Pcm
from gharial_client.resume import LOOK_BACK_SECONDS

# Once a final has come, nobody goes further back than this: the look-back and a pause of any length.
_KEPT_SAMPLES = round((LOOK_BACK_SECONDS + 5.0) * SAMPLE_RATE)


class Source(Protocol):
    """Samples at 16 kHz, numbered from 0."""

    async def read(self, first: int, count: int) -> Pcm:
        """The samples from `first` on, shape (count,), int16; fewer only at the end. Waits until they may be sent."""

    def settled(self, sample: int) -> None:
        """What lies well before `sample` has been answered for good."""


class Recording:
    """All samples are there, shape (n,), int16; they may be sent as time passes, at `pace` (None: at once)."""

    def __init__(self, samples: Pcm, pace: float | None) -> None:
        self._samples = samples
        self._pace = pace
        self._began: float | None = None

    async def read(self, first: int, count: int) -> Pcm:
        chunk = self._samples[first : first + count]
        if self._pace is not None and len(chunk):
            now = asyncio.get_running_loop().time()
            self._began = self._began if self._began is not None else now
            wait = self._began + (first + len(chunk)) / SAMPLE_RATE / self._pace - now
            if wait > 0:
                await asyncio.sleep(wait)
        return chunk

    def settled(self, sample: int) -> None:
        pass


class LiveAudio:
    """Samples that come while they are sent; `feed` and `end` may be called from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()
        self._pieces: list[Pcm] = []
        self._first = 0
        self._ended = False
        self.samples = 0

    def feed(self, samples: Pcm) -> None:
        """Takes what was heard next, shape (n,), int16 at 16 kHz."""
        self._loop.call_soon_threadsafe(self._take, samples)

    def end(self) -> None:
        """Nothing more will come; what comes all the same is left out."""
        self._loop.call_soon_threadsafe(self._finish)

    async def read(self, first: int, count: int) -> Pcm:
        while self.samples < first + count and not self._ended:
            self._more.clear()
            await self._more.wait()
        if len(self._pieces) > 1:
            self._pieces = [np.concatenate(self._pieces)]
        heard = self._pieces[0] if self._pieces else np.zeros(0, np.int16)
        return heard[first - self._first : first - self._first + count]

    def settled(self, sample: int) -> None:
        """Forgets what nobody will ask for again, a minute at a time."""
        old = sample - _KEPT_SAMPLES - self._first
        if old > 60 * SAMPLE_RATE:
            heard = np.concatenate(self._pieces)
            self._pieces, self._first = [heard[old:].copy()], self._first + old

    def _take(self, samples: Pcm) -> None:
        if not self._ended:
            self._pieces.append(samples)
            self.samples += len(samples)
            self._more.set()

    def _finish(self) -> None:
        self._ended = True
        self._more.set()
