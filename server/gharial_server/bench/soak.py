"""`gharial bench soak`: many hours of audio through one engine, to see whether anything grows or drifts.

Every stream hears the same audio over and over, as fast as it is answered. So the streams must give the same answers,
to the last bit; a stream that is opened at the end must give the answers that the first one gave at the beginning; and
memory must stay where it was after the first minute.
"""

import gc
import hashlib
import math
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from gharial_asr.building import with_recognition
from gharial_asr.compilation import CompiledModel, load_model
from gharial_asr.recognition import PLAIN, Recognition
from gharial_asr.runner import LocalRunner
from numpy.typing import NDArray

from gharial_server.bench.load import audio
from gharial_server.bench.machine import resident_bytes
from gharial_server.bench.subject import model_file
from gharial_server.engine.batching import BatchingEngine
from gharial_server.engine.interface import SAMPLE_RATE, Answer, Event, ModelInfo, Stream

# What a stream says before memory is looked at for the first time, and how much it is given at a time.
FIRST_SECONDS = 60.0
PUSH_SECONDS = 6.0
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class SoakSettings:
    """model: starter, or a file. hours: of audio, for each stream."""

    model: str
    hours: float
    streams: int
    precision: Literal["int8", "float32"]
    audio: tuple[Path, ...]
    recognition: Recognition = PLAIN

    def __post_init__(self) -> None:
        if self.streams < 1 or not 2 * FIRST_SECONDS <= self.hours * 3600 < math.inf:
            least = math.ceil(2 * FIRST_SECONDS / 3.6) / 1000
            raise ValueError(f"--streams must be positive, and --hours at least {least}")


@dataclass(frozen=True)
class SoakResult:
    """early: after a minute of audio (or after it was heard twice, if that is longer); late: after all of it.

    rss: resident bytes. objects: blocks that Python has allocated. largest_cell: the largest magnitude in any LSTM
    cell, which grows where training did not bound it. streams_agree, fresh_agrees: see above. end_seconds: when the
    last answer says that it ends, which is the audio's length. heard: what the first stream understood the last time
    that it had heard the audio from its beginning to its end.
    """

    hours: float
    streams: int
    wall_seconds: float
    early_rss: int
    late_rss: int
    early_objects: int
    late_objects: int
    early_largest_cell: float
    late_largest_cell: float
    early_heard: str
    late_heard: str
    end_seconds: float
    streams_agree: bool
    fresh_agrees: bool


class _Ear:
    """Hears one stream; keeps a digest of its answers, and the text of one round of the audio."""

    def __init__(self, round_seconds: float) -> None:
        self.digest = hashlib.sha256()
        self.end = 0.0
        self.heard = ""
        self._round_seconds = round_seconds
        self._rounds = 0
        self._hearing = ""

    def hear(self, answer: Answer) -> None:
        self.digest.update(repr((answer.is_provisional, answer.alternatives)).encode())
        self.end = answer.end
        if not answer.is_provisional:
            self._hearing += answer.alternatives[0].transcript
        # A round ends with a frame; 5 ms are room for rounding.
        if (rounds := int((answer.end + 0.005) // self._round_seconds)) > self._rounds:
            self._rounds = rounds
            self.heard, self._hearing = self._hearing.strip(), ""


class WatchedRunner(LocalRunner):
    """Remembers the runner that is made of it, whose states are looked at when the engine rests."""

    made: LocalRunner

    def with_slots(self, slots: int) -> Self:
        made = super().with_slots(slots)
        self.made = made
        return made


class Soak:
    """An engine, streams with the same audio, and what they heard."""

    def __init__(self, model: CompiledModel, settings: SoakSettings) -> None:
        pieces, samples = model.tokenizer.pieces, audio(settings.audio)
        watched = WatchedRunner(model, 1, settings.recognition.decoder)
        runner = with_recognition(watched, model, settings.streams, settings.recognition)
        self.engine = BatchingEngine(runner, pieces, ModelInfo("soak", "soak", "en", "", "cpu"))
        self.states = watched.made.states
        # Whole frames, so that each round of the audio falls into frames like the one before.
        self._samples: NDArray[np.float32] = np.pad(samples, (0, -len(samples) % self.engine.frame_samples))
        self._ears: dict[int, _Ear] = {}
        self._answered = threading.Condition()
        self._position = 0
        self._streams = [self._open() for _ in range(settings.streams)]

    def run(self, seconds: float) -> None:
        """Every stream hears so much more audio and has answered to all of it."""
        period, frame = len(self._samples), self.engine.frame_samples
        frames = round(seconds / self.engine.frame_seconds)
        at_once = round(PUSH_SECONDS / self.engine.frame_seconds)
        while frames > 0:
            taken = min(at_once, frames)
            chunk = self._samples[np.arange(self._position, self._position + taken * frame) % period]
            for stream in self._streams:
                stream.push(chunk)
            self._position += taken * frame
            frames -= taken
            self._wait(self._position / frame * self.engine.frame_seconds)

    def digests(self) -> list[str]:
        """Of all answers so far, one per stream."""
        return [self._ears[stream.id].digest.hexdigest() for stream in self._streams]

    @property
    def round_seconds(self) -> float:
        """How long the audio is before it begins anew."""
        return len(self._samples) / SAMPLE_RATE

    @property
    def heard(self) -> str:
        """What the first stream heard in its last whole round."""
        return self._ears[self._streams[0].id].heard

    @property
    def end_seconds(self) -> float:
        """Where the latest answer ends."""
        return max(ear.end for ear in self._ears.values())

    @property
    def largest_cell(self) -> float:
        """Of all streams; the engine rests meanwhile."""
        return max(float(recurrence.cell.abs().max()) for recurrence in (self.states.pre, self.states.post))

    def restart(self) -> None:
        """Drops all streams; one takes their place, in a slot that was used all the time."""
        for stream in self._streams:
            stream.close()
        self._ears.clear()
        self._position = 0
        self._streams = [self._open()]

    def _open(self) -> Stream:
        ear = _Ear(self.round_seconds)
        stream = self.engine.open(self._hear)
        self._ears[stream.id] = ear
        return stream

    def _hear(self, events: Sequence[tuple[int, Event]]) -> None:
        with self._answered:
            for number, event in events:
                ear = self._ears.get(number)
                if isinstance(event, Answer) and ear is not None:
                    ear.hear(event)
            self._answered.notify()

    def _wait(self, until: float) -> None:
        half = self.engine.frame_seconds / 2
        with self._answered:
            if not self._answered.wait_for(
                lambda: all(ear.end > until - half for ear in self._ears.values()), PATIENCE_SECONDS
            ):
                raise RuntimeError(f"the engine did not answer within {PATIENCE_SECONDS:.0f} s; see the log above")


def run_soak(settings: SoakSettings, tell: Callable[[str], None] = lambda line: None) -> SoakResult:
    """Runs it. Raises ValueError, OSError (no such model), RuntimeError (the engine stopped answering)."""
    soak = Soak(load_model(model_file(settings.model), settings.precision), settings)
    began, total = time.monotonic(), settings.hours * 3600
    try:
        first = max(FIRST_SECONDS, 2 * soak.round_seconds)
        soak.run(first)
        at_first, early, early_heard = soak.digests(), _memory(), soak.heard
        early_cell, done = soak.largest_cell, first
        while done < total:
            part = min(600.0, total - done)
            soak.run(part)
            done += part
            tell(f"{done / 3600:.2f} of {settings.hours} hours, {resident_bytes() / 2**20:.1f} MiB")
        late, late_heard, late_cell = _memory(), soak.heard, soak.largest_cell
        agree, end = len(set(soak.digests())) == 1, soak.end_seconds
        soak.restart()
        soak.run(first)
        fresh = soak.digests()
    finally:
        soak.engine.stop()
    return SoakResult(
        hours=settings.hours,
        streams=settings.streams,
        wall_seconds=round(time.monotonic() - began, 1),
        early_rss=early[0],
        late_rss=late[0],
        early_objects=early[1],
        late_objects=late[1],
        early_largest_cell=round(early_cell, 3),
        late_largest_cell=round(late_cell, 3),
        early_heard=early_heard,
        late_heard=late_heard,
        end_seconds=round(end, 3),
        streams_agree=agree and len(set(at_first)) == 1,
        fresh_agrees=fresh == at_first[:1],
    )


def _memory() -> tuple[int, int]:
    """Resident bytes and allocated blocks, after what is garbage has gone."""
    gc.collect()
    return resident_bytes(), sys.getallocatedblocks()
