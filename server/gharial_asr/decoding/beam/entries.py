"""Hypotheses within one step, as columns of tensors.

Shapes: B streams, C hypotheses of each, D of them chosen, N tokens that a step may emit, M tokens of n-gram context.
A place without a hypothesis has the score -inf; what else stands there means nothing.
"""

import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Entries:
    """score float64 (B, C); text int64 (B, C): hash of the whole transcript; origin int64 (B, C): the hypothesis at the
    step's beginning that it comes from; place int64 (B, C): its prediction state; added int64 (B, C): tokens emitted
    in this step; tokens int64 and probabilities float32 (B, C, N): these; context int64 (B, C, M): last tokens."""

    score: Tensor
    text: Tensor
    origin: Tensor
    place: Tensor
    added: Tensor
    tokens: Tensor
    probabilities: Tensor
    context: Tensor

    def pick(self, index_BD: Tensor, score_BD: Tensor) -> "Entries":
        """The hypotheses at some columns, with other scores."""
        picked = {}
        for field in fields(self)[1:]:
            value: Tensor = getattr(self, field.name)
            index = index_BD if value.dim() == 2 else index_BD[:, :, None].expand(-1, -1, value.shape[2])
            picked[field.name] = value.gather(1, index)
        return Entries(score=score_BD, **picked)

    def with_scores(self, score_BC: Tensor) -> "Entries":
        """The same hypotheses with other scores."""
        return replace(self, score=score_BC)

    def joined(self, other: "Entries") -> "Entries":
        """The columns of both."""
        names = [field.name for field in fields(self)]
        return Entries(**{name: torch.cat((getattr(self, name), getattr(other, name)), 1) for name in names})


def best_distinct(score_BC: Tensor, text_BC: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The best texts: columns (B, count) in falling order and their scores, -inf where there are fewer.

    Hypotheses of one text are one: the best of them stands, with the logarithm of the sum of their probabilities. Of
    equal scores the first column wins.
    """
    sorted_BC, order_BC = score_BC.sort(dim=1, descending=True, stable=True)
    if score_BC.shape[1] > 1:
        text_BC = text_BC.gather(1, order_BC)
        alive_BC = sorted_BC > -math.inf
        same_BCC = (text_BC[:, :, None] == text_BC[:, None, :]) & alive_BC[:, None, :]
        later_BC = same_BCC.tril(-1).any(2) & alive_BC
        if later_BC.any():
            total_BC = torch.where(same_BCC, sorted_BC[:, None, :], -math.inf).logsumexp(2)
            total_BC = total_BC.masked_fill(later_BC | ~alive_BC, -math.inf)
            sorted_BC, again_BC = total_BC.sort(dim=1, descending=True, stable=True)
            order_BC = order_BC.gather(1, again_BC)
    return order_BC[:, :count], sorted_BC[:, :count]
