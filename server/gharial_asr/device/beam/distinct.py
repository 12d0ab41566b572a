"""The best of several hypotheses, without asking whether any have the same text.

Shapes: B streams, C hypotheses of each.
"""

import math

import torch
from torch import Tensor


def best_distinct(score_BC: Tensor, text_BC: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """What `gharial_asr.decoding.beam.entries.best_distinct` finds, always by the same kernels."""
    same_BCC = text_BC[:, :, None] == text_BC[:, None, :]
    spread_BCC = score_BC[:, None, :].where(same_BCC, -math.inf)
    # The first of the best of its text speaks for it.
    stands_BC = spread_BCC.argmax(2) == torch.arange(score_BC.shape[1], device=score_BC.device)
    total_BC = spread_BCC.logsumexp(2).where(stands_BC, -math.inf)
    sorted_BC, order_BC = total_BC.sort(dim=1, descending=True, stable=True)
    return order_BC[:, :count], sorted_BC[:, :count]
