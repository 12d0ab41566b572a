"""A hypothesis on a device as one row of numbers, so that picking hypotheses is one kernel.

Shapes: `...` any, F columns, int64. A hypothesis that does not exist has the score -inf; what else stands there means
nothing, but for its place, which names one there is.
"""

import torch
from torch import Tensor

from gharial_asr.decoding.beam.entries import Entries
from gharial_asr.decoding.beam.search import MAX_SYMBOLS

SCORE, TEXT, PLACE, KEYWORD, WORDS = range(5)
"""Bits of the score as float64, hash of the transcript, place of the prediction state, state in the slot's keywords,
context in the n-gram."""
KEPT = 5
"""Columns, the first ones, that live on from step to step."""
ORIGIN, ADDED = KEPT, KEPT + 1
"""The hypothesis at the step's beginning that it comes from, and how many tokens it has emitted in this step."""
SAID = KEPT + 2
"""From here on these tokens, each with its probability: two int32, the latter the bits of float32."""
COLUMNS = SAID + MAX_SYMBOLS


def scores(records_F: Tensor) -> Tensor:
    """The scores (...,) of hypotheses, in the same memory."""
    return records_F[..., SCORE].view(torch.float64)


def said(tokens: Tensor, probabilities: Tensor) -> Tensor:
    """Tokens and probabilities (...,) as columns (..., 1)."""
    return torch.stack((tokens.int(), probabilities.view(torch.int32)), -1).view(torch.int64)


def entries(records_BWF: Tensor) -> Entries:
    """Hypotheses as the processor's beam search holds them."""
    both_BWN2 = records_BWF[..., SAID:].contiguous()[..., None].view(torch.int32)
    return Entries(
        score=scores(records_BWF),
        text=records_BWF[..., TEXT],
        origin=records_BWF[..., ORIGIN],
        place=records_BWF[..., PLACE],
        added=records_BWF[..., ADDED],
        tokens=both_BWN2[..., 0].long(),
        probabilities=both_BWN2[..., 1].contiguous().view(torch.float32),
        context=records_BWF[..., KEYWORD:KEPT],
    )
