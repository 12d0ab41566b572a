"""Which hypotheses live on after a step, and which of their tokens are settled.

Shapes: B streams, W hypotheses of each, best first, T open tokens. Pure functions. docs/reference/decoding.md has the
rules.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gharial_asr.decoding.beam.entries import Entries
from gharial_asr.emissions import Emissions, Runs


@dataclass(frozen=True)
class History:
    """Open tokens: length int64 (B, W) of each hypothesis; tokens, frames int32 and probabilities float32 (B, W, T)."""

    length: Tensor
    tokens: Tensor
    frames: Tensor
    probabilities: Tensor

    def extended(self, entries: Entries, frame_B: Tensor, rounds: int) -> "History":
        """The histories of hypotheses that come from these and emitted up to `rounds` tokens in this frame."""
        origin_BWT = entries.origin[:, :, None].expand(-1, -1, self.tokens.shape[2])
        length_BW = self.length.gather(1, entries.origin)
        tokens, frames, probabilities = (
            past_BWT.gather(1, origin_BWT) for past_BWT in (self.tokens, self.frames, self.probabilities)
        )
        if rounds:
            at_BWN = length_BW[:, :, None] + torch.arange(rounds)
            tokens.scatter_(2, at_BWN, entries.tokens[:, :, :rounds].to(tokens.dtype))
            frames.scatter_(2, at_BWN, frame_B.to(frames.dtype)[:, None, None].expand_as(at_BWN))
            probabilities.scatter_(2, at_BWN, entries.probabilities[:, :, :rounds])
        return History(length_BW + entries.added, tokens, frames, probabilities)

    def without(self, settled_B: Tensor, alive_BW: Tensor) -> "History":
        """The histories of hypotheses that live on after their first tokens were settled; the others' are empty."""
        places_T = torch.arange(self.tokens.shape[2])
        from_BWT = (places_T + settled_B[:, None]).clamp_(max=len(places_T) - 1)[:, None].expand_as(self.tokens)
        moved = (past.gather(2, from_BWT) for past in (self.tokens, self.frames, self.probabilities))
        return History((self.length - settled_B[:, None]).masked_fill_(~alive_BW, 0), *moved)


def prune(score_BW: Tensor, length_BW: Tensor, threshold: float) -> Tensor:
    """Scores with -inf for hypotheses that lie too far below the best. length: tokens, the start and settled ones too.

    Both are judged per token: score / length >= best score / its length - threshold.
    """
    if threshold < 0:
        return score_BW
    each_BW = score_BW / length_BW
    return score_BW.masked_fill(each_BW < each_BW[:, :1] - threshold, -math.inf)


def settle(score_BW: Tensor, history: History, oldest_B: Tensor) -> tuple[Tensor, Tensor]:
    """Scores with -inf for hypotheses that are given up, and the number of tokens (B,) that are settled.

    Settled is what all hypotheses share. oldest: the first frame whose tokens may stay open; where tokens are older,
    hypotheses that contradict the best one about them are given up first.
    """
    open_BWT = torch.arange(history.tokens.shape[2]) < history.length[:, :, None]
    as_best_BWT = (history.tokens == history.tokens[:, :1]) & open_BWT & open_BWT[:, :1]
    shared_BW = as_best_BWT.long().cumprod(2).sum(2)
    old_BW = ((history.frames < oldest_B[:, None, None]) & open_BWT).sum(2)
    agree_BW = (score_BW > -math.inf) & (old_BW <= shared_BW)
    most_old_B1 = old_BW.masked_fill(~agree_BW, 0).amax(1, keepdim=True)
    kept_BW = agree_BW & (shared_BW >= most_old_B1)
    settled_B = shared_BW.masked_fill(~kept_BW, history.tokens.shape[2]).amin(1)
    return score_BW.masked_fill(~kept_BW, -math.inf), settled_B


def emissions(score_BW: Tensor, history: History, settled_B: Tensor) -> Emissions:
    """What a step yields, from histories before their first tokens are settled."""
    places_T = torch.arange(history.tokens.shape[2])
    alive_BW = score_BW > -math.inf
    first = History(settled_B[:, None], history.tokens[:, :1], history.frames[:, :1], history.probabilities[:, :1])
    taken_B1T = places_T < settled_B[:, None, None]
    open_BWT = (places_T < history.length[:, :, None]) & ~taken_B1T & alive_BW[:, :, None]
    return Emissions(
        _runs(settled_B, first, taken_B1T),
        alive_BW.sum(1).to(torch.int32).numpy(),
        score_BW[alive_BW].float().numpy(),
        _runs((history.length - settled_B[:, None])[alive_BW], history, open_BWT),
    )


def _runs(counts_R: Tensor, history: History, taken_BWT: Tensor) -> Runs:
    return Runs(
        counts_R.to(torch.int32).numpy(),
        np.ascontiguousarray(history.tokens[taken_BWT].numpy()),
        np.ascontiguousarray(history.frames[taken_BWT].numpy()),
        np.ascontiguousarray(history.probabilities[taken_BWT].numpy()),
    )
