"""Tokens that are not settled yet, of every slot's hypotheses: what a step adds, settles and yields.

Shapes: S slots, B streams of a batch, W hypotheses of each, best first, T open tokens.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gharial_asr.decoding.beam.entries import Entries
from gharial_asr.decoding.beam.settling import History, emissions, prune, settle
from gharial_asr.emissions import Emissions


@dataclass(frozen=True)
class SettlingRules:
    """threshold: how far below the best hypothesis another may be, per token. frames_open: frames that a token stays
    open after its own. symbols: tokens that a step may add."""

    threshold: float
    frames_open: int
    symbols: int


class OpenTokens:
    """Open tokens of every slot, in tensors allocated once."""

    def __init__(self, slots: int, width: int, rules: SettlingRules) -> None:
        self._rules = rules
        tokens = (rules.frames_open + 2) * rules.symbols
        self._settled_S = torch.zeros(slots, dtype=torch.long)
        self._length_SW = torch.zeros(slots, width, dtype=torch.long)
        self._tokens_SWT = torch.zeros(slots, width, tokens, dtype=torch.int32)
        self._frames_SWT = torch.zeros(slots, width, tokens, dtype=torch.int32)
        self._probabilities_SWT = torch.zeros(slots, width, tokens)

    @property
    def bytes(self) -> int:
        """Memory of all slots."""
        tensors = (self._settled_S, self._length_SW, self._tokens_SWT, self._frames_SWT, self._probabilities_SWT)
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def open(self, slot: int) -> None:
        """Makes a slot as new: no token is open or settled."""
        self._settled_S[slot] = 0
        self._length_SW[slot] = 0

    def add(self, slots_B: Tensor, frames_B: Tensor, ended: Entries, rounds: int) -> tuple[Tensor, Emissions]:
        """Takes in the hypotheses that ended a frame, `rounds` tokens long at most, and settles what they agree on.

        Returns their scores (B, W), -inf for those that are given up, and what the step yields.
        """
        history = self._history(slots_B, rounds).extended(ended, frames_B, rounds)
        lengths_BW = history.length + self._settled_S[slots_B][:, None] + 1
        score_BW = prune(ended.score, lengths_BW, self._rules.threshold)
        score_BW, settled_B = settle(score_BW, history, frames_B - self._rules.frames_open)
        self._keep(slots_B, history.without(settled_B, score_BW > -math.inf))
        self._settled_S[slots_B] += settled_B
        return score_BW, emissions(score_BW, history, settled_B)

    def _history(self, slots_B: Tensor, room: int) -> History:
        """The open tokens of some slots, with room for more behind them."""
        length_BW = self._length_SW[slots_B]
        end = int(length_BW.max()) + room
        return History(
            length_BW,
            self._tokens_SWT[slots_B, :, :end],
            self._frames_SWT[slots_B, :, :end],
            self._probabilities_SWT[slots_B, :, :end],
        )

    def _keep(self, slots_B: Tensor, history: History) -> None:
        end = history.tokens.shape[2]
        self._length_SW[slots_B] = history.length
        self._tokens_SWT[slots_B, :, :end] = history.tokens
        self._frames_SWT[slots_B, :, :end] = history.frames
        self._probabilities_SWT[slots_B, :, :end] = history.probabilities
