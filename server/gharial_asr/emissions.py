"""What one step of a runner yields, the same for every decoder.

Settled tokens never change again. Hypotheses are the readings of what follows them, best first; they are replaced by
the next step's. Greedy decoding settles everything at once and has no hypotheses; beam search always has one at least,
which may be empty. At the end of a stream the best hypothesis counts as settled (`Row.all_of_it`).

Arrays are flat, so they cross a socket as they are. Shapes: B rows of the step, H hypotheses, R runs, N tokens.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int32s = NDArray[np.int32]
Float32s = NDArray[np.float32]


@dataclass(frozen=True)
class Tokens:
    """A run of tokens: ids, the encoder frames since the stream began that emitted them, their probabilities."""

    tokens: tuple[int, ...] = ()
    frames: tuple[int, ...] = ()
    probabilities: tuple[float, ...] = ()

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.tokens + other.tokens, self.frames + other.frames, self.probabilities + other.probabilities)

    def part(self, begin: int, end: int) -> "Tokens":
        """The tokens from one place to before another."""
        return Tokens(self.tokens[begin:end], self.frames[begin:end], self.probabilities[begin:end])


NO_TOKENS = Tokens()


@dataclass(frozen=True)
class Runs:
    """R runs of tokens, one after the other: counts (R,) int32; tokens, frames int32, probabilities float32 (N,)."""

    counts: Int32s
    tokens: Int32s
    frames: Int32s
    probabilities: Float32s

    @classmethod
    def empty(cls, runs: int = 0) -> "Runs":
        """Runs without tokens."""
        return cls(np.zeros(runs, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))

    @classmethod
    def of(cls, runs: Sequence[Tokens]) -> "Runs":
        """Runs of tokens as flat arrays."""
        return cls(
            np.array([len(run.tokens) for run in runs], np.int32),
            np.array([token for run in runs for token in run.tokens], np.int32),
            np.array([frame for run in runs for frame in run.frames], np.int32),
            np.array([probability for run in runs for probability in run.probabilities], np.float32),
        )

    def shifted(self, frames_R: NDArray[np.int64]) -> "Runs":
        """The same some frames later, each run by its own number."""
        later_N = self.frames + frames_R.repeat(self.counts).astype(np.int32)
        return Runs(self.counts, self.tokens, later_N, self.probabilities)

    def split(self) -> Iterable[Tokens]:
        """The runs one by one."""
        tokens, frames = self.tokens.tolist(), self.frames.tolist()
        probabilities = self.probabilities.tolist()
        end = 0
        for count in self.counts.tolist():
            at, end = end, end + count
            if count:
                yield Tokens(tuple(tokens[at:end]), tuple(frames[at:end]), tuple(probabilities[at:end]))
            else:
                yield NO_TOKENS


@dataclass(frozen=True)
class Hypothesis:
    """One reading of what is not settled. score: natural logarithm, over the whole stream; higher is better."""

    score: float
    tokens: Tokens


@dataclass(frozen=True)
class Row:
    """One stream's part of a step."""

    settled: Tokens
    hypotheses: tuple[Hypothesis, ...]

    def all_of_it(self) -> Tokens:
        """What is settled and what the best hypothesis adds: a stream's last tokens."""
        return self.settled + self.hypotheses[0].tokens if self.hypotheses else self.settled


@dataclass(frozen=True)
class Emissions:
    """What a step yielded: settled, a run for each of B rows; widths (B,) int32 hypotheses of each row; scores (H,)
    float32 and continuations, a run for each of H hypotheses, row by row and best first."""

    settled: Runs
    widths: Int32s
    scores: Float32s
    continuations: Runs

    @classmethod
    def settled_only(cls, settled: Runs) -> "Emissions":
        """A step that leaves nothing open."""
        return cls(settled, np.zeros(len(settled.counts), np.int32), np.zeros(0, np.float32), Runs.empty())

    @classmethod
    def of_rows(cls, rows: Sequence[Row]) -> "Emissions":
        """Rows as flat arrays."""
        hypotheses = [hypothesis for row in rows for hypothesis in row.hypotheses]
        return cls(
            Runs.of([row.settled for row in rows]),
            np.array([len(row.hypotheses) for row in rows], np.int32),
            np.array([hypothesis.score for hypothesis in hypotheses], np.float32),
            Runs.of([hypothesis.tokens for hypothesis in hypotheses]),
        )

    def shifted(self, frames_B: NDArray[np.int64], scores_B: NDArray[np.float64]) -> "Emissions":
        """The same some frames later and with higher scores, each row by its own numbers."""
        return Emissions(
            self.settled.shifted(frames_B),
            self.widths,
            (self.scores + scores_B.repeat(self.widths)).astype(np.float32),
            self.continuations.shifted(frames_B.repeat(self.widths)),
        )

    def rows(self) -> list[Row]:
        """The rows one by one, in the batch's order."""
        pairs = zip(self.scores.tolist(), self.continuations.split(), strict=True)
        hypotheses = (Hypothesis(score, tokens) for score, tokens in pairs)
        return [
            Row(settled, tuple(next(hypotheses) for _ in range(width)))
            for settled, width in zip(self.settled.split(), self.widths.tolist(), strict=True)
        ]
