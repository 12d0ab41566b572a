"""Rounding one matrix to int8 so that its products stay what they were.

Shapes: R examples of inputs, K inputs, N outputs.

Inputs of a recogniser go up and down together, so the error of one rounded weight can be made up for by the others of
its output. Inputs are rounded one after another, and what a weight loses is given to those not rounded yet in the
shares that a least-squares fit gives them (GPTQ; E. Frantar et al., 2023).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gharial_asr.inference.dense import SMALLEST_RANGE, WEIGHT_LEVELS, Int8Weight

# Added to every input's variance, as a share of their mean: examples are few, and activations are rounded as well.
_DAMPING = 0.01
# Inputs whose errors are given to the rest in one product.
_BLOCK = 128


@dataclass(frozen=True)
class Inputs:
    """What a product's inputs are like: mean (K,) and covariance (K, K) in float64."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, x_RK: Tensor) -> "Inputs":
        """Those of examples."""
        mean_K = x_RK.double().mean(0)
        centred_RK = x_RK - mean_K.float()
        return cls(mean_K, (centred_RK.t() @ centred_RK).double() / len(x_RK))


@dataclass(frozen=True)
class Rounded:
    """An int8 weight, and what to add to the bias (N,) so that outputs stay the same on average."""

    weight: Int8Weight
    bias_change: Tensor


def round_compensated(weight_NK: Tensor, inputs: Inputs) -> Rounded:
    """The int8 weight with one scale per output, the largest magnitude's, for inputs like these."""
    scale_N = weight_NK.abs().amax(1).clamp(min=SMALLEST_RANGE).float() / WEIGHT_LEVELS
    # What varies most is rounded first, while there are many left to make up for it.
    order_K = inputs.covariance.diagonal().argsort(descending=True, stable=True)
    shares_KK = _shares(inputs.covariance[order_K][:, order_K])
    left_KN = weight_NK.float()[:, order_K].t().contiguous()
    values_KN = torch.empty_like(left_KN, dtype=torch.int8)
    for first in range(0, len(left_KN), _BLOCK):
        last = min(first + _BLOCK, len(left_KN))
        lost_IN = torch.empty_like(left_KN[first:last])
        for k in range(first, last):
            level_N = (left_KN[k] / scale_N).round_().clamp_(-WEIGHT_LEVELS, WEIGHT_LEVELS)
            values_KN[k] = level_N.to(torch.int8)
            lost_N = (left_KN[k] - level_N * scale_N) / shares_KK[k, k]
            lost_IN[k - first] = lost_N
            left_KN[k + 1 : last].addr_(shares_KK[k, k + 1 : last], lost_N, alpha=-1)
        left_KN[last:].addmm_(shares_KK[first:last, last:].t(), lost_IN, alpha=-1)
    weight = Int8Weight(values_KN[order_K.argsort()].t().contiguous(), scale_N)
    lost_NK = weight_NK.double() - weight.dequantised().double()
    return Rounded(weight, (lost_NK @ inputs.mean).float())


def _shares(covariance_KK: Tensor) -> Tensor:
    """Row k: how the error of input k is shared by those after it; the upper Cholesky factor of the inverse."""
    added = (_DAMPING * covariance_KK.diagonal().mean()).clamp(min=SMALLEST_RANGE)
    damped_KK = covariance_KK + added * torch.eye(len(covariance_KK), dtype=torch.float64)
    inverse_KK = torch.cholesky_inverse(torch.linalg.cholesky(damped_KK))
    shares_KK: Tensor = torch.linalg.cholesky(inverse_KK, upper=True)
    return shares_KK.float()
