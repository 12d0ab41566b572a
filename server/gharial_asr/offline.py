"""Recordings decoded without a server, several side by side, by the same runner that serves streams."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from gharial_wire.answers import Word
from numpy.typing import NDArray

from gharial_asr.compilation import CompiledModel
from gharial_asr.decoding.words import SMALLEST_PROBABILITY, WordBuilder, confidence
from gharial_asr.emissions import NO_TOKENS, Hypothesis, Row, Tokens
from gharial_asr.endpointing import CLASSIC, Endpoint, Endpointer, EndpointSettings
from gharial_asr.keywords import Keywords
from gharial_asr.runner import Batch, Runner

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Reading:
    """One whole transcript. score: natural logarithm of its probability; docs/reference/decoding.md."""

    transcript: str
    score: float
    confidence: float


@dataclass(frozen=True)
class Transcription:
    """A decoded recording. frames has the encoder frame (60 ms each) of every token; nbest the readings that were left
    at its end, best first; score is the first one's. endpoint: what ended it before its end, if anything did."""

    transcript: str
    tokens: tuple[int, ...]
    frames: tuple[int, ...]
    score: float
    nbest: tuple[Reading, ...]
    words: tuple[Word, ...]
    confidence: float
    encoder_frames: int
    endpoint: Endpoint | None = None


@dataclass
class _Decoding:
    """A recording on its way through a slot."""

    number: int
    slot: int
    samples: Samples
    builder: WordBuilder
    endpointer: Endpointer
    frame: int = 0
    text: str = ""
    settled: list[Tokens] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    open: tuple[Hypothesis, ...] = ()

    def is_over(self, size: int) -> bool:
        """At the recording's end or at an endpoint."""
        return self.frame * size >= len(self.samples) or self.endpointer.endpoint is not None

    def chunk(self, size: int) -> Samples:
        """The next frame's samples, padded with zeros at the end of the recording."""
        part = self.samples[self.frame * size : (self.frame + 1) * size]
        return np.pad(part, (0, size - len(part)))

    def take(self, row: Row) -> None:
        """Notes what the frame yielded."""
        row = self.endpointer.step(row)
        self._settle(row.settled)
        self.open = row.hypotheses
        self.frame += 1

    def _settle(self, run: Tokens) -> None:
        text, words = self.builder.add(run)
        self.text += text
        self.words += words
        self.settled.append(run)

    def result(self) -> Transcription:
        """After the last frame: the best hypothesis is settled."""
        nbest = self._nbest()
        if self.open:
            self._settle(self.open[0].tokens)
        everything = _joined(self.settled)
        return Transcription(
            transcript=self.text.strip(" "),
            tokens=everything.tokens,
            frames=everything.frames,
            score=nbest[0].score,
            nbest=nbest,
            words=(*self.words, *self.builder.finish()),
            confidence=confidence(everything.probabilities),
            encoder_frames=self.frame,
            endpoint=self.endpointer.endpoint,
        )

    def _nbest(self) -> tuple[Reading, ...]:
        """All readings of the whole recording, no two with the same text. Without hypotheses one, whose score is that
        of its tokens."""
        settled = _joined(self.settled)
        score = math.fsum(math.log(max(p, SMALLEST_PROBABILITY)) for p in settled.probabilities)
        distinct: dict[str, Reading] = {}
        for hypothesis in self.open or (Hypothesis(score, NO_TOKENS),):
            text = (self.text + self.builder.text(hypothesis.tokens)).strip(" ")
            probabilities = settled.probabilities + hypothesis.tokens.probabilities
            distinct.setdefault(text, Reading(text, hypothesis.score, confidence(probabilities)))
        return tuple(distinct.values())


def _joined(runs: list[Tokens]) -> Tokens:
    """One run of many, in time that grows with their length only."""
    return Tokens(
        tuple(token for run in runs for token in run.tokens),
        tuple(frame for run in runs for frame in run.frames),
        tuple(probability for run in runs for probability in run.probabilities),
    )


def transcribe(
    runner: Runner,
    model: CompiledModel,
    recordings: Iterable[Samples],
    progress: Callable[[float], None] = lambda seconds: None,
    endpointing: EndpointSettings = CLASSIC,
    keywords: Keywords = (),
) -> Iterator[tuple[int, Transcription]]:
    """Decodes 16 kHz recordings; yields (index, transcription) as each ends, which need not be in their order.

    All slots of the runner are used. progress is told the seconds of audio decoded by each step.
    """
    size = runner.step_samples
    seconds = size / model.config.input_val.filterbank_features.sample_rate
    pieces = model.tokenizer.pieces
    waiting = enumerate(recordings)
    free = list(range(runner.slots))
    running: list[_Decoding] = []
    while True:
        while free and (following := next(waiting, None)) is not None:
            number, samples = following
            builder, endpointer = WordBuilder(pieces, seconds), Endpointer(pieces, seconds, endpointing)
            running.append(_Decoding(number, free.pop(), samples, builder, endpointer))
            runner.open(running[-1].slot, number + 1, keywords)
        for decoding in [d for d in running if d.is_over(size)]:
            running.remove(decoding)
            runner.free(decoding.slot)
            free.append(decoding.slot)
            yield decoding.number, decoding.result()
        if running:
            _step(runner, running, size)
            progress(seconds * len(running))
        elif following is None:
            return


def _step(runner: Runner, running: list[_Decoding], size: int) -> None:
    slots = np.array([d.slot for d in running], np.int32)
    generations = np.array([d.number + 1 for d in running], np.uint32)
    emissions = runner.step(Batch(slots, generations, np.stack([d.chunk(size) for d in running])))
    for decoding, row in zip(running, emissions.rows(), strict=True):
        decoding.take(row)
