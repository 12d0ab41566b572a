"""Encoder, prediction network and joint, one 60 ms step of many streams at a time.

Shapes: B streams, S encoder inputs of a step, F input features, E encoder size, P prediction size, J joint size,
K classes, L layers. The arithmetic is that of `gharial_asr.model.Rnnt`, arranged for batches of single steps.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gharial_asr.config import RnntConfig
from gharial_asr.inference.dense import DenseMaker, Int8Weight, Weight, dense
from gharial_asr.inference.lstm import LayerWeights, Stack, layer


@dataclass(frozen=True)
class Projection:
    """A linear layer: weight (N, K), bias (N,)."""

    weight: Weight
    bias: Tensor


@dataclass(frozen=True)
class NetworkWeights:
    """All weights of a network, in the engine's arrangement."""

    pre: tuple[LayerWeights, ...]
    post: tuple[LayerWeights, ...]
    prediction: tuple[LayerWeights, ...]
    embedding: Tensor | Int8Weight
    joint_encoder: Projection
    joint_prediction: Projection
    joint_output: Projection


class Network:
    """The recogniser's network. States are passed in and changed in place."""

    def __init__(self, config: RnntConfig, weights: NetworkWeights, make: DenseMaker = dense) -> None:
        """make: the kernel of every product; this processor's without one."""
        self.config = config
        self._pre, self._post, self._prediction = (
            Stack(tuple(layer(each, make) for each in layers))
            for layers in (weights.pre, weights.post, weights.prediction)
        )
        self._joint_encoder, self._joint_prediction, joint_output = (
            make(each.weight, each.bias)
            for each in (weights.joint_encoder, weights.joint_prediction, weights.joint_output)
        )
        self.joint_output: Callable[[Tensor], Tensor] = joint_output
        self._embedding = weights.embedding

    def encode(self, x_BSF: Tensor, pre: tuple[Tensor, Tensor], post: tuple[Tensor, Tensor]) -> Tensor:
        """One step of S = enc_stack_time_factor inputs; hidden and cell states (L, B, E) change in place.

        Returns the encoder's output projected for the joint, (B, J).
        """
        outputs = [self._pre.step(x_BF, *pre).clone() for x_BF in x_BSF.unbind(1)]
        return self._joint_encoder(self._post.step(torch.cat(outputs, 1), *post))

    def embed(self, labels_B: Tensor) -> Tensor:
        """Embeddings (B, P) of labels."""
        if isinstance(self._embedding, Int8Weight):
            return self._embedding.values[labels_B].float() * self._embedding.scale[labels_B, None]
        return self._embedding[labels_B]

    def predict(self, embedded_BP: Tensor, hidden_LBP: Tensor, cell_LBP: Tensor) -> Tensor:
        """Reads one label's embedding (zeros for the start); states change in place. Returns the projection (B, J)."""
        return self._joint_prediction(self._prediction.step(embedded_BP, hidden_LBP, cell_LBP))

    def logits(self, f_BJ: Tensor, g_BJ: Tensor) -> Tensor:
        """Logits (B, K) of projected encoder and prediction outputs."""
        return self.joint_output((f_BJ + g_BJ).relu_())
