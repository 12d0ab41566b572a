"""State resets: streams that go on for ever, decoded in overlapping segments by a runner that knows nothing of it.

Every stream has two slots of the runner behind, its lanes; outside of overlaps one of them is live. When which lane
runs is drawn in docs/reference/decoding-resets.md. Shapes: B streams of a batch, R rows of the runner behind, S slots.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gharial_asr.decoding.expecting import Expecting
from gharial_asr.decoding.lane_words import Vocabulary
from gharial_asr.decoding.seam import Seam
from gharial_asr.emissions import NO_TOKENS, Emissions, Hypothesis, Row, Tokens
from gharial_asr.resets import ResetSteps
from gharial_asr.runner import Batch, Runner
from gharial_asr.state import StaleSlotError


@dataclass
class _Lane:
    """What one lane has said: settled runs, and its hypotheses for what is not settled."""

    settled: list[Tokens] = field(default_factory=list)
    hypotheses: tuple[Hypothesis, ...] = ()

    def add(self, row: Row) -> None:
        self.settled.append(row.settled)
        self.hypotheses = row.hypotheses

    @property
    def tokens(self) -> Tokens:
        return sum(self.settled, NO_TOKENS)

    @property
    def best(self) -> Hypothesis:
        return self.hypotheses[0] if self.hypotheses else Hypothesis(0.0, NO_TOKENS)


@dataclass
class _Overlap:
    """A stream from the beginning of an overlap until nothing of the old lane is expected of the new one.

    From the seam on: said is what the old lane has said since the overlap began, unsent the part of it that was not
    settled.
    """

    start: int
    seam: int
    old: _Lane = field(default_factory=_Lane)
    new: _Lane = field(default_factory=_Lane)
    said: Tokens = NO_TOKENS
    unsent: Tokens = NO_TOKENS
    expecting: Expecting | None = None


class LaneRunner:
    """Implements `Runner` with state resets on a runner of twice as many slots."""

    def __init__(self, runner: Runner, pieces: Sequence[str], steps: ResetSteps) -> None:
        """runner: its second half of slots is for second lanes. pieces: the text of each token."""
        self._runner = runner
        self._vocabulary = Vocabulary(pieces)
        self._steps = steps
        self._slots = runner.slots // 2
        self._generations_S = np.zeros(self._slots, np.uint32)
        self._frame_S = np.zeros(self._slots, np.int64)
        self._began_S = np.zeros(self._slots, np.int64)
        self._lane_S = np.zeros(self._slots, np.int64)
        self._score_S = np.zeros(self._slots)
        self._overlaps: dict[int, _Overlap] = {}

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def step_samples(self) -> int:
        return self._runner.step_samples

    def open(self, slot: int, generation: int) -> None:
        self.free(slot)
        self._runner.open(slot, generation)
        self._generations_S[slot] = generation
        for values_S in (self._frame_S, self._began_S, self._lane_S, self._score_S):
            values_S[slot] = 0

    def free(self, slot: int) -> None:
        self._generations_S[slot] = 0
        self._overlaps.pop(slot, None)
        for lane in (0, 1):
            self._runner.free(slot + lane * self._slots)

    def close(self) -> None:
        self._runner.close()

    def step(self, batch: Batch) -> Emissions:
        slots_B = batch.slots.astype(np.int64)
        self._check(slots_B, batch.generations)
        age_B = self._frame_S[slots_B] - self._began_S[slots_B]
        for slot in slots_B[age_B == self._steps.stride].tolist():
            self._begin_overlap(slot)
        for slot in slots_B[age_B == self._steps.segment].tolist():
            self._end_lane(slot)
        both_B = (age_B >= self._steps.stride) & (age_B < self._steps.segment)
        emissions = self._run(batch, slots_B, both_B)
        self._frame_S[slots_B] += 1
        if not both_B.any() and self._overlaps.keys().isdisjoint(slots_B.tolist()):
            return emissions
        rows = emissions.rows()
        others = iter(rows[len(slots_B) :])
        sent: list[Row] = []
        for slot, row, both in zip(slots_B.tolist(), rows[: len(slots_B)], both_B.tolist(), strict=True):
            other = next(others) if both else None
            sent.append(self._seen(slot, row, other) if slot in self._overlaps else row)
        return Emissions.of_rows(sent)

    def _check(self, slots_B: NDArray[np.int64], generations_B: NDArray[np.uint32]) -> None:
        known_B = (slots_B >= 0) & (slots_B < self._slots) & (generations_B != 0)
        stale_B = ~known_B | (self._generations_S[np.where(known_B, slots_B, 0)] != generations_B)
        if stale_B.any():
            at = int(stale_B.argmax())
            raise StaleSlotError(f"slot {slots_B[at]} is not open for generation {generations_B[at]}")

    def _run(self, batch: Batch, slots_B: NDArray[np.int64], both_B: NDArray[np.bool_]) -> Emissions:
        """A step of all live lanes: every stream's sending lane, then the new lanes of those that have one. Frames and
        scores are made the stream's."""
        lane_B = self._lane_S[slots_B]
        rows_R = np.concatenate((slots_B + lane_B * self._slots, (slots_B + (1 - lane_B) * self._slots)[both_B]))
        began_B = self._began_S[slots_B]
        began_R = np.concatenate((began_B, began_B[both_B] + self._steps.stride))
        score_R = np.concatenate((self._score_S[slots_B], np.zeros(int(both_B.sum()))))
        emissions = self._runner.step(
            Batch(
                rows_R.astype(np.int32),
                np.concatenate((batch.generations, batch.generations[both_B])),
                np.concatenate((batch.samples, batch.samples[both_B])),
            )
        )
        return emissions.shifted(began_R, score_R)

    def _begin_overlap(self, slot: int) -> None:
        """A fresh lane begins beside the live one."""
        other = slot + (1 - int(self._lane_S[slot])) * self._slots
        self._runner.open(other, int(self._generations_S[slot]))
        start = int(self._frame_S[slot])
        self._overlaps[slot] = _Overlap(start, start + self._steps.overlap)

    def _end_lane(self, slot: int) -> None:
        """The seam: the old lane's best hypothesis stands, and the new lane goes on."""
        overlap = self._overlaps[slot]
        overlap.unsent = overlap.old.best.tokens
        overlap.said = overlap.old.tokens + overlap.unsent
        self._runner.free(slot + int(self._lane_S[slot]) * self._slots)
        self._lane_S[slot] = 1 - self._lane_S[slot]
        self._began_S[slot] = overlap.start
        self._score_S[slot] = overlap.old.best.score - overlap.new.best.score

    def _seen(self, slot: int, row: Row, other: Row | None) -> Row:
        """What is sent of a step of a stream at a seam. other: of its new lane, as long as there are two."""
        overlap = self._overlaps[slot]
        if other is not None:
            overlap.old.add(row)
            overlap.new.add(other)
            return row
        frame = int(self._frame_S[slot]) - 1
        unsent, overlap.unsent = overlap.unsent, NO_TOKENS
        if overlap.expecting is not None:
            sent, overlap.expecting = overlap.expecting.take(row.settled, frame)
        else:
            overlap.new.add(row)
            if any(min(each.tokens.frames, default=overlap.seam) < overlap.seam for each in row.hypotheses):
                # The seam is where it is only once the new lane has settled what it said before it.
                return Row(unsent, tuple(self._joined(overlap, each, frame) for each in row.hypotheses))
            sent, overlap.expecting = self._join(overlap, overlap.new.tokens, frame)
        expecting = overlap.expecting
        if expecting.over:
            del self._overlaps[slot]
        return Row(
            unsent + sent,
            tuple(Hypothesis(each.score, expecting.take(each.tokens, frame)[0]) for each in row.hypotheses),
        )

    def _join(self, overlap: _Overlap, new: Tokens, frame: int) -> tuple[Tokens, Expecting]:
        """What is sent of all that the new lane has said, and what is expected after it."""
        before = bisect_left(new.frames, overlap.seam)
        seam = Seam(self._vocabulary, overlap.start, overlap.seam, overlap.said)
        sent, expecting = seam.join(new.part(0, before))
        more, expecting = expecting.take(new.part(before, len(new.tokens)), frame)
        return sent + more, expecting

    def _joined(self, overlap: _Overlap, hypothesis: Hypothesis, frame: int) -> Hypothesis:
        sent, _ = self._join(overlap, overlap.new.tokens + hypothesis.tokens, frame)
        return Hypothesis(hypothesis.score, sent)
