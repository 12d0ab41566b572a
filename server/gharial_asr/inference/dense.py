"""Matrix products with constant weights, in float32, int8 and bf16.

Shapes: B rows (streams), K inputs, N outputs.

int8: weights are symmetric with one scale per output. Each row of activations is quantised by itself to the 127
levels -63..63 of its own largest magnitude, so a stream's numbers never depend on who shares its batch; a row without
numbers below zero, as the joint's, to 0..127. Seven bits, because AVX2 adds two 8 x 8 bit products in 16 bits and would
saturate with eight; with seven the integer product is exact on every processor. Which kernel and why:
docs/decisions/0010-int8-kernel.md.

bf16: activations and weights are rounded to bfloat16, their products are summed in float32. An int8 weight's values are
whole numbers up to 127, which bfloat16 holds exactly; its scale is applied to the sums, so nothing is lost of it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from gharial_asr.inference.native.kernel import Levels, Matrix, kernel, pack, unpack
from gharial_asr.inference.native.packed import PackedWeight

WEIGHT_LEVELS = 127
ACTIVATION_LEVELS = 63
# Of rows without numbers below zero.
POSITIVE_LEVELS = 127
# A row of zeros is divided by this instead of by zero.
SMALLEST_RANGE = 1e-12


@dataclass(frozen=True)
class Int8Weight:
    """values int8 (N, K) in [-127, 127], scale float32 (N,): the weight is values * scale[:, None]."""

    values: Tensor
    scale: Tensor

    def dequantised(self) -> Tensor:
        """The float32 weight (N, K) that these integers stand for."""
        return self.values.float() * self.scale[:, None]


Weight = Tensor | Int8Weight | PackedWeight
"""A float32 matrix (N, K), or an int8 one: its rows, or arranged for the kernel."""

PACKERS = 4
"""Threads that arrange a matrix when a model is loaded from rows."""


def quantise_weight(weight_NK: Tensor) -> Int8Weight:
    """The nearest symmetric int8 weight with one scale per output."""
    scale_N = weight_NK.abs().amax(1).clamp(min=SMALLEST_RANGE) / WEIGHT_LEVELS
    values_NK = (weight_NK / scale_N[:, None]).round().to(torch.int8)
    return Int8Weight(values_NK, scale_N.float())


def packed(weight: Int8Weight | PackedWeight) -> PackedWeight:
    """The weight as the kernel reads it. Raises OSError when there is no kernel."""
    if isinstance(weight, PackedWeight):
        return weight
    return pack(weight.values, weight.scale, min(PACKERS, os.cpu_count() or 1))


def plain(weight: Weight) -> Tensor | Int8Weight:
    """The weight as rows."""
    return Int8Weight(unpack(weight), weight.scale) if isinstance(weight, PackedWeight) else weight


class Dense(Protocol):
    """y_BN = x_BK @ weight.T + bias."""

    def __call__(self, x_BK: Tensor) -> Tensor: ...


DenseMaker = Callable[[Weight, Tensor], Dense]
"""Makes the product of a weight (N, K) and a bias (N,)."""


class Float32Dense:
    """The product in float32."""

    def __init__(self, weight_NK: Tensor, bias_N: Tensor) -> None:
        self._weight_NK = weight_NK.float().contiguous()
        self._bias_N = bias_N.float().contiguous()

    def __call__(self, x_BK: Tensor) -> Tensor:
        return F.linear(x_BK, self._weight_NK, self._bias_N)


class Int8Dense:
    """The product in int8 with int32 sums, by the native kernel."""

    def __init__(self, weight: Int8Weight | PackedWeight, bias_N: Tensor) -> None:
        """Raises OSError when there is no kernel."""
        self._kernel = kernel()
        self._matrix = Matrix(packed(weight), bias_N)

    def __call__(self, x_BK: Tensor) -> Tensor:
        return self.product(self._kernel.quantise(x_BK))

    def product(self, x: Levels, onto_BN: Tensor | None = None) -> Tensor:
        """The product of quantised rows; or without the bias, added to contiguous rows in place."""
        return self._kernel.product(self._matrix, x, onto_BN)


class Bfloat16Dense:
    """The product of bfloat16 activations and weights, summed and scaled in float32.

    Processors have no such kernel: there the same numbers are kept and multiplied as float32.
    """

    def __init__(self, weight: Weight, bias_N: Tensor) -> None:
        weight = plain(weight)
        values_NK, scale_N = (weight.values, weight.scale) if isinstance(weight, Int8Weight) else (weight, None)
        rounded_NK = values_NK.to(torch.bfloat16)
        self._weight_KN = (rounded_NK if rounded_NK.is_cuda else rounded_NK.float()).contiguous().t()
        self._scale_N = scale_N
        self._bias_N = bias_N.float().contiguous()

    def __call__(self, x_BK: Tensor) -> Tensor:
        rounded_BK = x_BK.to(torch.bfloat16)
        if rounded_BK.is_cuda:
            y_BN = torch.mm(rounded_BK, self._weight_KN, out_dtype=torch.float32)
        else:
            y_BN = rounded_BK.float() @ self._weight_KN
        if self._scale_N is None:
            return y_BN.add_(self._bias_N)
        return torch.addcmul(self._bias_N, y_BN, self._scale_N)


def dense(weight: Weight, bias_N: Tensor) -> Dense:
    """The kernel that fits the weight."""
    return Float32Dense(weight, bias_N) if isinstance(weight, Tensor) else Int8Dense(weight, bias_N)
