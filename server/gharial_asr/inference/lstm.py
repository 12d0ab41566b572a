"""LSTM layers for one step of many streams.

Shapes: B streams, L layers, H hidden size, I inputs. One product gives all four gates. Where inputs and hidden state
have the same range they are joined as [x, h] and multiplied at once; a first layer whose inputs have a range of their
own (features, embeddings) multiplies them apart, so that neither costs the other its int8 precision.

tanh(x) is computed as 2 sigmoid(2 x) - 1, which is twice as fast as torch's tanh and as exact where states matter. The
rows of the candidate gate come doubled for it, so that one sigmoid serves all four gates (torch's order: input, forget,
candidate, output).

A stream's bits must not depend on its place in the batch. torch's sigmoid computes what a vector register does not fill
with another formula, which differs in the last bit: at the end of the whole array, and at the ends of the parts that
threads share. Where these fall inside of rows, the sigmoid is computed from the exponential, which has one formula.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gharial_asr.inference.dense import Dense, DenseMaker, Int8Dense, Weight, dense
from gharial_asr.inference.native.kernel import kernel

# Floats that torch's elementwise kernels take at once on the widest processors (AVX512, two registers).
VECTOR = 32


def sigmoid_of_rows(width: int) -> Callable[[Tensor], Tensor]:
    """An in-place sigmoid whose bits do not depend on a row's place among contiguous rows of this width.

    torch's own where it has that property: a row is whole vectors, and so is half a row where two threads share an
    array. More threads cut rows anywhere. The other sigmoid takes half as long again.
    """
    threads = torch.get_num_threads()
    return torch.sigmoid_ if threads <= 2 and width % (VECTOR * threads) == 0 else _sigmoid_by_exponential


def _sigmoid_by_exponential(x: Tensor) -> Tensor:
    return x.neg_().exp_().add_(1).reciprocal_()


@dataclass(frozen=True)
class LayerWeights:
    """One layer: recurrent (4H, H) with inputs (4H, I), or recurrent (4H, I + H) alone; bias (4H,): both of torch's."""

    recurrent: Weight
    inputs: Weight | None
    bias: Tensor


class Layer(Protocol):
    """One LSTM layer."""

    def step(self, x_BI: Tensor, hidden_BH: Tensor, cell_BH: Tensor) -> None:
        """Advances hidden and cell state by one input, in place."""


class DenseLayer:
    """A layer of any two products; its gates are torch's."""

    def __init__(self, recurrent: Dense, inputs: Dense | None, sigmoid_: Callable[[Tensor], Tensor]) -> None:
        self._recurrent, self._inputs, self._sigmoid_ = recurrent, inputs, sigmoid_

    def step(self, x_BI: Tensor, hidden_BH: Tensor, cell_BH: Tensor) -> None:
        if self._inputs is None:
            gates_B4H = self._recurrent(torch.cat((x_BI, hidden_BH), 1))
        else:
            gates_B4H = self._recurrent(hidden_BH).add_(self._inputs(x_BI))
        in_BH, forget_BH, candidate_BH, out_BH = self._sigmoid_(gates_B4H).chunk(4, 1)
        cell_BH.mul_(forget_BH).addcmul_(in_BH, candidate_BH, value=2).sub_(in_BH)
        self._sigmoid_(torch.mul(cell_BH, 2, out=hidden_BH)).mul_(2).sub_(1).mul_(out_BH)


class Int8Layer:
    """A layer of two int8 products on this machine's processor; its gates are the native kernel's."""

    def __init__(self, recurrent: Int8Dense, inputs: Int8Dense | None) -> None:
        self._recurrent, self._inputs, self._kernel = recurrent, inputs, kernel()

    def step(self, x_BI: Tensor, hidden_BH: Tensor, cell_BH: Tensor) -> None:
        if self._inputs is None:
            gates_B4H = self._recurrent.product(self._kernel.quantise(x_BI, hidden_BH))
        else:
            gates_B4H = self._recurrent(hidden_BH)
            self._inputs.product(self._kernel.quantise(x_BI), gates_B4H)
        self._kernel.cells(gates_B4H, hidden_BH, cell_BH)


def layer(weights: LayerWeights, make: DenseMaker = dense) -> Layer:
    """The layer that fits its weights' products."""
    recurrent = make(weights.recurrent, weights.bias)
    inputs = None if weights.inputs is None else make(weights.inputs, torch.zeros_like(weights.bias))
    if isinstance(recurrent, Int8Dense) and (inputs is None or isinstance(inputs, Int8Dense)):
        return Int8Layer(recurrent, inputs)
    # A GPU's kernels have one formula for all elements.
    sigmoid_ = torch.sigmoid_ if weights.bias.is_cuda else sigmoid_of_rows(len(weights.bias) // 4)
    return DenseLayer(recurrent, inputs, sigmoid_)


class Stack:
    """Layers on top of each other."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    def step(self, x_BI: Tensor, hidden_LBH: Tensor, cell_LBH: Tensor) -> Tensor:
        """Advances all layers by one input, states in place; returns the top layer's hidden state (B, H)."""
        for layer, hidden_BH, cell_BH in zip(self._layers, hidden_LBH, cell_LBH, strict=True):
            layer.step(x_BI, hidden_BH, cell_BH)
            x_BI = hidden_BH
        return x_BI
