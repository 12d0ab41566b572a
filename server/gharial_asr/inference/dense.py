"""Matrix products with constant weights, in float32, int8 and bf16.

Shapes: B rows (streams), K inputs, N outputs.

int8: weights are symmetric with one scale per output. Each row of activations is quantised by itself to the 127
levels -63..63 of its own largest magnitude, so a stream's numbers never depend on who shares its batch. Seven bits,
because AVX2 adds two 8 x 8 bit products in 16 bits and would saturate with eight; with seven the integer product is
exact on every processor. Which kernel and why: docs/decisions/0010-int8-kernel.md.

bf16: activations and weights are rounded to bfloat16, their products are summed in float32. An int8 weight's values are
whole numbers up to 127, which bfloat16 holds exactly; its scale is applied to the sums, so nothing is lost of it.
"""

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

WEIGHT_LEVELS = 127
ACTIVATION_LEVELS = 63
# Unsigned activations start here: -63..63 becomes 1..127.
ACTIVATION_ZERO = 64
# A row of zeros is divided by this instead of by zero.
SMALLEST_RANGE = 1e-12
# Layers are packed by several threads, and warnings are switched off for the whole process.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Int8Weight:
    """values int8 (N, K) in [-127, 127], scale float32 (N,): the weight is values * scale[:, None]."""

    values: Tensor
    scale: Tensor

    def dequantised(self) -> Tensor:
        """The float32 weight (N, K) that these integers stand for."""
        return self.values.float() * self.scale[:, None]


Weight = Tensor | Int8Weight
"""A float32 matrix (N, K), or an int8 one."""


def quantise_weight(weight_NK: Tensor) -> Int8Weight:
    """The nearest symmetric int8 weight with one scale per output."""
    scale_N = weight_NK.abs().amax(1).clamp(min=SMALLEST_RANGE) / WEIGHT_LEVELS
    values_NK = (weight_NK / scale_N[:, None]).round().to(torch.int8)
    return Int8Weight(values_NK, scale_N.float())


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
    """The product in int8 with int32 sums, by fbgemm."""

    def __init__(self, weight: Int8Weight, bias_N: Tensor) -> None:
        outputs = weight.values.shape[0]
        torch.backends.quantized.engine = "fbgemm"
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*quantized tensor creation.*")
            quantised = torch._make_per_channel_quantized_tensor(
                weight.values.contiguous(), weight.scale.double(), torch.zeros(outputs, dtype=torch.long), 0
            )
        self._packed = torch.ops.quantized.linear_prepack(quantised, None)
        self._product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        self._bias_N = bias_N.float().contiguous()

    def __call__(self, x_BK: Tensor) -> Tensor:
        # Both extremes apart are many times faster than a norm: no array of magnitudes is made.
        range_B1 = torch.maximum(x_BK.amax(1, keepdim=True), x_BK.amin(1, keepdim=True).neg_())
        step_B1 = range_B1.clamp_(min=SMALLEST_RANGE).div_(ACTIVATION_LEVELS)
        y_BN = self.product(x_BK / step_B1)
        return torch.addcmul(self._bias_N, y_BN, step_B1, out=y_BN)

    def product(self, levels_BK: Tensor) -> Tensor:
        """The product (B, N), not scaled, of activations in levels; they are rounded to whole ones."""
        y_BN: Tensor = self._product(levels_BK, 1.0, ACTIVATION_ZERO, self._packed)
        return y_BN


class Bfloat16Dense:
    """The product of bfloat16 activations and weights, summed and scaled in float32.

    Processors have no such kernel: there the same numbers are kept and multiplied as float32.
    """

    def __init__(self, weight: Weight, bias_N: Tensor) -> None:
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
    if isinstance(weight, Int8Weight):
        return Int8Dense(weight, bias_N)
    return Float32Dense(weight, bias_N)
