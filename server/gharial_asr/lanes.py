"""State resets: streams that go on for ever, decoded in overlapping segments by a runner that knows nothing of it.

Every stream has two slots of the runner behind, its lanes; outside of overlaps one of them is live. When which lane
runs is drawn in docs/reference/decoding-resets.md. Shapes: B streams of a batch, R rows of the runner behind, S slots.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gharial_asr.decoding.lane_words import Vocabulary
from gharial_asr.decoding.passage import LaneSaid, Passage
from gharial_asr.decoding.seam import Seam
from gharial_asr.emissions import Emissions, Row
from gharial_asr.keywords import Keywords
from gharial_asr.resets import ResetSteps
from gharial_asr.runner import Batch, Runner
from gharial_asr.state import StaleSlotError


@dataclass
class _Overlap:
    """A stream with two lanes: where the new one began, and what each of them has said since."""

    start: int
    old: LaneSaid = field(default_factory=LaneSaid)
    new: LaneSaid = field(default_factory=LaneSaid)


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
        self._keywords: dict[int, Keywords] = {}
        self._overlaps: dict[int, _Overlap] = {}
        self._passages: dict[int, Passage] = {}

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def step_samples(self) -> int:
        return self._runner.step_samples

    def preparing(self, keywords: Keywords) -> Iterator[None]:
        return self._runner.preparing(keywords)

    def open(self, slot: int, generation: int, keywords: Keywords = ()) -> None:
        self.free(slot)
        self._runner.open(slot, generation, keywords)
        self._keywords[slot] = keywords
        self._generations_S[slot] = generation
        for values_S in (self._frame_S, self._began_S, self._lane_S, self._score_S):
            values_S[slot] = 0

    def free(self, slot: int) -> None:
        self._generations_S[slot] = 0
        self._keywords.pop(slot, None)
        self._overlaps.pop(slot, None)
        self._passages.pop(slot, None)
        for lane in (0, 1):
            self._runner.free(slot + lane * self._slots)

    def close(self) -> None:
        self._runner.close()

    def step(self, batch: Batch) -> Emissions:
        slots_B = batch.slots.astype(np.int64)
        self._check(slots_B, batch.generations)
        for slot in slots_B[self._age(slots_B) == self._steps.segment].tolist():
            self._end_lane(slot)
        age_B = self._age(slots_B)
        for slot in slots_B[age_B == self._steps.stride].tolist():
            self._begin_overlap(slot)
        both_B = age_B >= self._steps.stride
        emissions = self._run(batch, slots_B, both_B)
        self._frame_S[slots_B] += 1
        if not both_B.any() and self._passages.keys().isdisjoint(slots_B.tolist()):
            return emissions
        rows = emissions.rows()
        others = iter(rows[len(slots_B) :])
        return Emissions.of_rows(
            [
                self._sent(slot, row, next(others) if both else None)
                for slot, row, both in zip(slots_B.tolist(), rows, both_B.tolist(), strict=False)
            ]
        )

    def _age(self, slots_B: NDArray[np.int64]) -> NDArray[np.int64]:
        """Steps that the sending lanes of some slots have made."""
        return self._frame_S[slots_B] - self._began_S[slots_B]

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
        self._runner.open(other, int(self._generations_S[slot]), self._keywords[slot])
        self._overlaps[slot] = _Overlap(int(self._frame_S[slot]))

    def _end_lane(self, slot: int) -> None:
        """The seam: the old lane's best hypothesis stands, and the new lane goes on."""
        overlap = self._overlaps.pop(slot)
        old, new = overlap.old, overlap.new
        seam = Seam(self._vocabulary, overlap.start, int(self._frame_S[slot]), old.tokens + old.best.tokens)
        self._passages[slot] = Passage(seam, old.best.tokens, new)
        self._runner.free(slot + int(self._lane_S[slot]) * self._slots)
        self._lane_S[slot] = 1 - self._lane_S[slot]
        self._began_S[slot] = overlap.start
        self._score_S[slot] = old.best.score - new.best.score

    def _sent(self, slot: int, row: Row, other: Row | None) -> Row:
        """What is sent of a step of a stream's lane; other: of its new lane, when there are two."""
        passage = self._passages.get(slot)
        if passage is not None:
            row = passage.send(row, int(self._frame_S[slot]) - 1)
            if passage.over:
                del self._passages[slot]
        if other is not None:
            overlap = self._overlaps[slot]
            overlap.old.add(row)
            overlap.new.add(other)
        return row
