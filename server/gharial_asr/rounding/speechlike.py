"""Inputs such as speech and its words give a network, made from random numbers.

Rounding has to know how a network's inputs vary together, not what was said; drawn inputs tell it nearly as well as
recordings, and every checkpoint has them. They are the same every time.

Shapes: B streams, T encoder inputs, F features.
"""

import math

import torch
from torch import Tensor

from gharial_asr.config import RnntConfig

# Parts of a normalised log-mel value's standard deviation: how loud it is, the shape of the spectrum, the rest.
_LOUDNESS, _SHAPE, _REST = 0.8, 0.5, 0.3
# How much of loudness and shape stays from one frame of 10 ms to the next.
_LOUDNESS_STAYS, _SHAPE_STAYS = 0.97, 0.9
_SHAPES = 7


def speechlike_features(config: RnntConfig, streams: int, inputs: int) -> Tensor:
    """Normalised, stacked encoder inputs (T, B, F)."""
    chance = torch.Generator().manual_seed(1)
    filters = config.input_val.filterbank_features.n_filt
    frames = inputs * config.input_val.frame_splicing.frame_stacking
    middles = (torch.arange(filters) + 0.5) / filters
    shapes = torch.stack([torch.cos(math.pi * middles * wave) for wave in range(1, _SHAPES + 1)])
    loudness = _wandering(frames, streams, 1, _LOUDNESS_STAYS, chance)
    shape = _wandering(frames, streams, _SHAPES, _SHAPE_STAYS, chance) @ shapes * math.sqrt(2 / _SHAPES)
    rest = torch.randn(frames, streams, filters, generator=chance)
    mel = _LOUDNESS * loudness + _SHAPE * shape + _REST * rest
    return mel.view(inputs, -1, streams, filters).transpose(1, 2).reshape(inputs, streams, -1)


def random_labels(config: RnntConfig, streams: int, labels: int) -> Tensor:
    """Labels (labels, B) of any words."""
    chance = torch.Generator().manual_seed(2)
    return torch.randint(config.blank, (labels, streams), generator=chance)


def _wandering(frames: int, streams: int, width: int, stays: float, chance: torch.Generator) -> Tensor:
    """Values (frames, streams, width) with variance 1 of which a part stays from frame to frame."""
    drawn = torch.randn(frames, streams, width, generator=chance)
    for frame in range(1, frames):
        drawn[frame] = stays * drawn[frame - 1] + math.sqrt(1 - stays**2) * drawn[frame]
    return drawn
