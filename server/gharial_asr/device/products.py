"""Matrix products with constant weights on an accelerator.

Shapes: B rows (streams), K inputs, N outputs. Every product takes and gives float32, so that states and everything
between products is float32 whatever the precision.

bf16: activations are rounded to bfloat16, sums are float32. An int8 weight's values are whole numbers up to 127, which
bfloat16 holds exactly; its scale is applied to the sums, so nothing is lost of what the artefact says. int8:
activations are quantised row by row exactly as `gharial_asr.inference.dense` does it, so the integers and their sums
are those of the processor, and a stream gets the same tokens on both.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from gharial_asr.device.precision import DevicePrecision
from gharial_asr.inference.dense import (
    ACTIVATION_LEVELS,
    SMALLEST_RANGE,
    Dense,
    DenseMaker,
    Float32Dense,
    Int8Weight,
    Weight,
    quantise_weight,
)

# cuBLAS multiplies bytes in matrices of more than 16 rows, whose other sizes are multiples of 8.
_FEWEST_ROWS = 32
_GRAIN = 8


class Bfloat16Dense:
    """The product of bfloat16 activations and weights, summed and scaled in float32."""

    def __init__(self, weight: Weight, bias_N: Tensor) -> None:
        values_NK, scale_N = (weight.values, weight.scale) if isinstance(weight, Int8Weight) else (weight, None)
        self._weight_KN = values_NK.to(torch.bfloat16).contiguous().t()
        self._scale_N = scale_N
        self._bias_N = bias_N.float().contiguous()

    def __call__(self, x_BK: Tensor) -> Tensor:
        y_BN = _summed_in_float32(x_BK.to(torch.bfloat16), self._weight_KN)
        if self._scale_N is None:
            return y_BN.add_(self._bias_N)
        return torch.addcmul(self._bias_N, y_BN, self._scale_N)


def _summed_in_float32(x_BK: Tensor, weight_KN: Tensor) -> Tensor:
    """The float32 product of two bfloat16 matrices. Processors have no such kernel; there the exact float32 products
    of the same numbers are summed."""
    if x_BK.is_cuda:
        return torch.mm(x_BK, weight_KN, out_dtype=torch.float32)
    return x_BK.float() @ weight_KN.float()


class ByteDense:
    """The product in int8 with int32 sums, by cuBLAS; the same integers as `gharial_asr.inference.dense.Int8Dense`."""

    def __init__(self, weight: Int8Weight, bias_N: Tensor) -> None:
        self._outputs, inputs = weight.values.shape
        self._more_inputs = -inputs % _GRAIN
        padded_NK = F.pad(weight.values, (0, self._more_inputs, 0, -self._outputs % _GRAIN))
        self._weight_KN = padded_NK.contiguous().t()
        self._scale_N = weight.scale
        self._bias_N = bias_N.float().contiguous()

    def __call__(self, x_BK: Tensor) -> Tensor:
        rows = x_BK.shape[0]
        range_B1 = torch.maximum(x_BK.amax(1, keepdim=True), x_BK.amin(1, keepdim=True).neg_())
        step_B1 = range_B1.clamp_(min=SMALLEST_RANGE).div_(ACTIVATION_LEVELS)
        x_BK = (x_BK / step_B1).round_().to(torch.int8)
        if self._more_inputs or rows < _FEWEST_ROWS:
            x_BK = F.pad(x_BK, (0, self._more_inputs, 0, max(0, _FEWEST_ROWS - rows)))
        y_BN = torch._int_mm(x_BK, self._weight_KN)[:rows, : self._outputs]
        return torch.addcmul(self._bias_N, y_BN * self._scale_N, step_B1)


def products(precision: DevicePrecision) -> DenseMaker:
    """The kernel of every product at a precision, for weights that lie on the device already."""

    def make(weight: Weight, bias_N: Tensor) -> Dense:
        if precision == "bf16":
            return Bfloat16Dense(weight, bias_N)
        if precision == "int8":
            return ByteDense(weight if isinstance(weight, Int8Weight) else quantise_weight(weight), bias_N)
        return Float32Dense(weight.dequantised() if isinstance(weight, Int8Weight) else weight, bias_N)

    return make
