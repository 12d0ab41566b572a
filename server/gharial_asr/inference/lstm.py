"""LSTM layers for one step of many streams.

Shapes: B streams, L layers, H hidden size, I inputs. One product gives all four gates. Where inputs and hidden state
have the same range they are joined as [x, h] and multiplied at once; a first layer whose inputs have a range of their
own (features, embeddings) multiplies them apart, so that neither costs the other its int8 precision.

tanh(x) is computed as 2 sigmoid(2 x) - 1, which is twice as fast as torch's tanh and as exact where states matter. The
rows of the candidate gate come doubled for it, so that one sigmoid serves all four gates (torch's order: input, forget,
candidate, output).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gharial_asr.inference.dense import Dense, Weight, dense


@dataclass(frozen=True)
class LayerWeights:
    """One layer: recurrent (4H, H) with inputs (4H, I), or recurrent (4H, I + H) alone; bias (4H,): both of torch's."""

    recurrent: Weight
    inputs: Weight | None
    bias: Tensor


class Layer:
    """One LSTM layer."""

    def __init__(self, weights: LayerWeights) -> None:
        self._recurrent = dense(weights.recurrent, weights.bias)
        self._inputs: Dense | None = None
        if weights.inputs is not None:
            self._inputs = dense(weights.inputs, torch.zeros_like(weights.bias))

    def step(self, x_BI: Tensor, hidden_BH: Tensor, cell_BH: Tensor) -> None:
        """Advances hidden and cell state by one input, in place."""
        if self._inputs is None:
            gates_B4H = self._recurrent(torch.cat((x_BI, hidden_BH), 1))
        else:
            gates_B4H = self._recurrent(hidden_BH).add_(self._inputs(x_BI))
        in_BH, forget_BH, candidate_BH, out_BH = gates_B4H.sigmoid_().chunk(4, 1)
        cell_BH.mul_(forget_BH).addcmul_(in_BH, candidate_BH, value=2).sub_(in_BH)
        torch.mul(cell_BH, 2, out=hidden_BH).sigmoid_().mul_(2).sub_(1).mul_(out_BH)


class Stack:
    """Layers on top of each other."""

    def __init__(self, layers: Sequence[LayerWeights]) -> None:
        self._layers = [Layer(weights) for weights in layers]

    def step(self, x_BI: Tensor, hidden_LBH: Tensor, cell_LBH: Tensor) -> Tensor:
        """Advances all layers by one input, states in place; returns the top layer's hidden state (B, H)."""
        for layer, hidden_BH, cell_BH in zip(self._layers, hidden_LBH, cell_LBH, strict=True):
            layer.step(x_BI, hidden_BH, cell_BH)
            x_BI = hidden_BH
        return x_BI
