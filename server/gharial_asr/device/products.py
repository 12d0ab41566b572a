"""Matrix products with constant weights on an accelerator.

Shapes: B rows (streams), K inputs, N outputs. Every product takes and gives float32, so that states and everything
between products is float32 whatever the precision.

bf16: `gharial_asr.inference.dense.Bfloat16Dense`. int8: activations are quantised row by row exactly as
`gharial_asr.inference.dense` does it, so the integers and their sums are those of the processor, and a stream gets the
same tokens on both.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from gharial_asr.inference.dense import (
    ACTIVATION_LEVELS,
    POSITIVE_LEVELS,
    SMALLEST_RANGE,
    Bfloat16Dense,
    Dense,
    DenseMaker,
    Float32Dense,
    Int8Weight,
    Weight,
    plain,
    quantise_weight,
)
from gharial_asr.precision import Precision

# cuBLAS multiplies bytes in matrices of more than 16 rows, whose other sizes are multiples of 8.
_FEWEST_ROWS = 32
_GRAIN = 8


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
        lowest_B1 = x_BK.amin(1, keepdim=True)
        range_B1 = torch.maximum(x_BK.amax(1, keepdim=True), -lowest_B1)
        levels_B1 = torch.where(lowest_B1 < 0, ACTIVATION_LEVELS, POSITIVE_LEVELS)
        step_B1 = range_B1.clamp_(min=SMALLEST_RANGE).div_(levels_B1)
        x_BK = (x_BK / step_B1).round_().to(torch.int8)
        if self._more_inputs or rows < _FEWEST_ROWS:
            x_BK = F.pad(x_BK, (0, self._more_inputs, 0, max(0, _FEWEST_ROWS - rows)))
        y_BN = torch._int_mm(x_BK, self._weight_KN)[:rows, : self._outputs]
        return torch.addcmul(self._bias_N, y_BN * self._scale_N, step_B1)


def products(precision: Precision) -> DenseMaker:
    """The kernel of every product at a precision, for weights that lie on the device already."""

    def make(weight: Weight, bias_N: Tensor) -> Dense:
        weight = plain(weight)
        if precision == "bf16":
            return Bfloat16Dense(weight, bias_N)
        if precision == "int8":
            return ByteDense(weight if isinstance(weight, Int8Weight) else quantise_weight(weight), bias_N)
        return Float32Dense(weight.dequantised() if isinstance(weight, Int8Weight) else weight, bias_N)

    return make
