"""The load: live streams that push a frame per frame time, each in a phase of its own, or as fast as they are
answered.

The generator runs in the caller's thread and keeps account of the processor time that it takes itself, so that it can
be taken out of the figures. What `Stream.push` takes is the engine's.
"""

import heapq
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gharial_asr.audio import read_audio
from numpy.typing import NDArray

from gharial_server.engine.batching import BatchingEngine
from gharial_server.engine.interface import SAMPLE_RATE, Event, Failed


def noise(seconds: float = 8.0) -> NDArray[np.float32]:
    """White noise (n,) that swells and fades, as loud as speech."""
    generator = np.random.default_rng(1)
    samples = generator.standard_normal(round(SAMPLE_RATE * seconds), dtype=np.float32)
    loudness = 0.06 + 0.05 * np.sin(np.arange(len(samples)) * (2 * np.pi / SAMPLE_RATE))
    swelling: NDArray[np.float32] = samples * loudness.astype(np.float32)
    return swelling


def audio(files: Sequence[Path]) -> NDArray[np.float32]:
    """What streams say over and over: recordings one after another, or noise without any."""
    return np.concatenate([read_audio(file) for file in files]) if files else noise()


class Load:
    """Streams of an engine, and frames for them. `close` drops the streams."""

    def __init__(
        self, engine: BatchingEngine, samples: NDArray[np.float32], streams: int, paced: bool, spread: float = 0.0
    ) -> None:
        """spread: streams begin within so many seconds, at least within a frame time."""
        self._frame = engine.frame_samples
        self._period = engine.frame_seconds
        if len(samples) < self._frame:
            raise ValueError("the recordings are shorter than a frame of 60 ms; give longer ones")
        self._samples = samples
        self._paced = paced
        self._failure = ""
        self.late: list[float] = []
        self.own_seconds = 0.0
        self.streams = {stream.id: stream for stream in (engine.open(self._take) for _ in range(streams))}
        phases = np.random.default_rng(1).uniform(0, max(self._period, spread), streams)
        self._due = list(zip(phases.tolist(), self.streams, strict=True))
        self._origin = time.monotonic()
        heapq.heapify(self._due)
        if not paced:
            for number in self.streams:
                self._push(number, 0)

    def run(self, seconds: float) -> None:
        """Keeps the load up for some seconds. Raises RuntimeError when a stream fails.

        Afterwards `late` holds, in seconds, how much later than due each frame was pushed, and `own_seconds` the
        processor time that was the generator's own.
        """
        self.late = []
        end = time.monotonic() + seconds
        began, pushing = time.thread_time(), 0.0
        while (now := time.monotonic()) < end and not self._failure:
            due, number = self._due[0]
            wait = min(self._origin + due, end) - now if self._paced else min(end - now, 0.1)
            if wait > 0:
                time.sleep(wait)
                continue
            self.late.append(-wait)
            before = time.thread_time()
            self._push(number, round(due * SAMPLE_RATE))
            pushing += time.thread_time() - before
            heapq.heapreplace(self._due, (due + self._period, number))
        self.own_seconds = time.thread_time() - began - pushing
        if self._failure:
            raise RuntimeError(f"a stream failed: {self._failure}")

    @property
    def backlog_seconds(self) -> float:
        """The most audio that any stream has waiting."""
        return max(stream.backlog_seconds for stream in self.streams.values())

    def close(self) -> None:
        """Drops every stream."""
        for stream in self.streams.values():
            stream.close()

    def _take(self, events: Sequence[tuple[int, Event]]) -> None:
        """Without a pace the answer to a frame, or its last one when there are two, brings the stream's next frame."""
        answered: dict[int, float] = {}
        for number, event in events:
            if isinstance(event, Failed):
                self._failure = event.reason
            else:
                answered[number] = event.end
        if not self._paced:
            for number, end in answered.items():
                self._push(number, round(end * SAMPLE_RATE))

    def _push(self, number: int, at: int) -> None:
        # From places spread over all of the audio on, so that no two say the same at the same time.
        start = (number * len(self._samples) // len(self.streams) + at) % (len(self._samples) - self._frame + 1)
        self.streams[number].push(self._samples[start : start + self._frame])
