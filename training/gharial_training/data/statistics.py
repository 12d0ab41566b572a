"""Mean and variance of log-mel features over a corpus, as the front end needs them.

Files (CAIMAN-ASR documentation, "Log-mel feature normalization"): melmeans.pt, melvars.pt and meln.pt (number of
frames).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from gharial_asr.features import LogMel
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class MelStatistics:
    """Per mel filter, float64; frames is the number of frames behind them."""

    mean: Tensor
    variance: Tensor
    frames: int


def measure(log_mel: LogMel, recordings: Iterable[NDArray[np.float32]]) -> MelStatistics:
    """E[x] and E[x^2] - E[x]^2 in float64, without dither or augmentation. Raises ValueError when there is no frame."""
    filters = log_mel.config.n_filt
    total, squares, frames = torch.zeros(filters).double(), torch.zeros(filters).double(), 0
    for samples in recordings:
        mel_TM = log_mel(torch.from_numpy(samples)[None])[0].double()
        total += mel_TM.sum(0)
        squares += mel_TM.square().sum(0)
        frames += mel_TM.shape[0]
    if frames == 0:
        raise ValueError("no audio to measure log-mel statistics on; check the shard patterns")
    mean = total / frames
    return MelStatistics(mean, squares / frames - mean.square(), frames)


def save(statistics: MelStatistics, folder: Path) -> None:
    """Writes the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(statistics.mean, folder / "melmeans.pt")
    torch.save(statistics.variance, folder / "melvars.pt")
    torch.save(torch.tensor(statistics.frames), folder / "meln.pt")


def load(folder: Path) -> MelStatistics:
    """Reads the three files. Raises OSError."""
    mean, variance, frames = (
        torch.load(folder / name, weights_only=True) for name in ("melmeans.pt", "melvars.pt", "meln.pt")
    )
    return MelStatistics(mean, variance, int(frames))
