"""The streaming front end of many slots: each 60 ms of samples gives the encoder inputs of one step.

Shapes: B streams, N samples of a step, S encoder inputs of a step, F input features.

A slot keeps the samples that the next window and the pre-emphasis reach back to. The arithmetic is
`gharial_asr.features`, the same that a whole recording goes through, so the features are the same.
"""

import torch
from torch import Tensor

from gharial_asr.features import Features


class StreamingFeatures:
    """Encoder inputs from samples, with the history of each slot kept outside."""

    def __init__(self, features: Features) -> None:
        self._features = features
        self.history_samples = features.log_mel.history_samples
        self.step_samples = features.samples_per_step

    def step(self, x_BN: Tensor, history_BH: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder inputs (B, S, F) of one step of samples in [-1, 1), and the history that the next step needs."""
        joined_BN = torch.cat((history_BH, x_BN), 1)
        return self._features.chunk(joined_BN), joined_BN[:, -self.history_samples :]
