"""What beam search keeps of every slot from one step to the next, in tensors allocated once.

Shapes: S slots, B streams of a batch, W hypotheses, M tokens of n-gram context, N tokens of a step.

Prediction states lie in W places per slot. A hypothesis names its place, so one that emits nothing moves nothing.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gharial_asr.config import RnntConfig
from gharial_asr.decoding.beam.entries import Entries
from gharial_asr.decoding.beam.open_tokens import OpenTokens
from gharial_asr.state import Prediction


class BeamStates:
    """The hypotheses of every slot, best first. Where there is none, the score is -inf."""

    def __init__(
        self, config: RnntConfig, start: Prediction, slots: int, width: int, tokens: OpenTokens, context: int
    ) -> None:
        """start: the prediction network after a sequence's start, one row. tokens: of the same slots."""
        self.width = width
        self.score_SW = torch.full((slots, width), -math.inf, dtype=torch.float64)
        self.text_SW = torch.zeros(slots, width, dtype=torch.long)
        self.place_SW = torch.zeros(slots, width, dtype=torch.long)
        self.context_SWM = torch.zeros(slots, width, context, dtype=torch.long)
        self.tokens = tokens
        self.prediction = Prediction.zeros(config, slots * width)
        self._start = start

    @property
    def bytes_per_slot(self) -> int:
        """Memory that one stream's state takes."""
        small = (self.score_SW, self.text_SW, self.place_SW, self.context_SWM)
        total = sum(tensor.numel() * tensor.element_size() for tensor in small)
        return (total + self.tokens.bytes + self.prediction.bytes) // len(self.score_SW)

    def open(self, slot: int, context_M: Sequence[int]) -> None:
        """Makes a slot as new: one hypothesis, without a token, with an n-gram context."""
        self.score_SW[slot] = -math.inf
        self.score_SW[slot, 0] = 0
        self.text_SW[slot] = 0
        self.place_SW[slot] = 0
        self.context_SWM[slot] = torch.tensor(context_M, dtype=torch.long)
        self.tokens.open(slot)
        self.prediction.scatter(torch.tensor([slot * self.width]), self._start)

    def entries(self, slots_B: Tensor, added: int) -> Entries:
        """The hypotheses of some slots as a step begins; added: tokens that a step may emit."""
        score_BW = self.score_SW[slots_B]
        batch, width = score_BW.shape
        return Entries(
            score=score_BW,
            text=self.text_SW[slots_B],
            origin=torch.arange(width).expand(batch, -1),
            place=self.place_SW[slots_B],
            added=torch.zeros(batch, width, dtype=torch.long),
            tokens=torch.zeros(batch, width, added, dtype=torch.long),
            probabilities=torch.zeros(batch, width, added),
            context=self.context_SWM[slots_B],
        )

    def keep(self, slots_B: Tensor, entries: Entries) -> None:
        """Puts hypotheses back, all but their prediction states."""
        self.score_SW[slots_B] = entries.score
        self.text_SW[slots_B] = entries.text
        self.place_SW[slots_B] = entries.place
        self.context_SWM[slots_B] = entries.context
