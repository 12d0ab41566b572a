"""Changes to training audio, each a function of samples and a random generator.

Order (CAIMAN-ASR documentation, "Augmentation"): noise, speed, narrowband, level, dither, features, SpecAugment. The
recordings of the starter data carry little silence at their ends, so nothing is trimmed.
"""

from collections.abc import Sequence

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from gharial_training.data.shards import SAMPLE_RATE

Audio = NDArray[np.float32]


class Augmentation(BaseModel):
    """How training audio is changed. A range is [lowest, highest], drawn evenly."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    speed_probability: float = Field(default=0.7, ge=0, le=1)
    speed: tuple[float, float] = Field(default=(0.88, 1.12), description="Factors on tempo and pitch.")
    noise_probability: float = Field(default=0.3, ge=0, le=1)
    noise_snr_db: tuple[float, float] = (8.0, 35.0)
    narrowband_probability: float = Field(default=0.15, ge=0, le=1, description="16 kHz to 8 kHz and back.")
    gain_db: tuple[float, float] = (-12.0, 6.0)
    padding_seconds: tuple[float, float] = Field(default=(0.0, 0.3), description="Silence added at either end.")
    dither: float = Field(default=1e-5, ge=0, description="Standard deviation of white noise, full scale is 1.")
    frequency_masks: int = Field(default=2, ge=0)
    frequency_mask_bins: int = Field(default=15, gt=0)
    time_masks: int = Field(default=4, ge=0)
    time_mask_share: float = Field(default=0.03, ge=0, lt=1, description="Longest time mask, as a share of frames.")


def change_speed(audio: Audio, factor: float) -> Audio:
    """Audio played `factor` times as fast."""
    changed: Audio = soxr.resample(audio, SAMPLE_RATE * factor, SAMPLE_RATE, quality="LQ")
    return changed


def narrow_band(audio: Audio) -> Audio:
    """Audio without what lies above 4 kHz."""
    narrow: Audio = soxr.resample(soxr.resample(audio, 2, 1, quality="LQ"), 1, 2, quality="LQ")
    return narrow


def add_noise(audio: Audio, noise: Audio, snr_db: float, rng: np.random.Generator) -> Audio:
    """Audio with a random stretch of noise, repeated as needed, at a signal-to-noise ratio."""
    start = int(rng.integers(len(noise)))
    stretch = np.resize(np.roll(noise, -start), len(audio))
    speech_power, noise_power = float(np.mean(audio**2)), float(np.mean(stretch**2))
    if noise_power == 0 or speech_power == 0:
        return audio
    scale = np.sqrt(speech_power / noise_power / 10 ** (snr_db / 10))
    mixed: Audio = audio + np.float32(scale) * stretch
    return mixed


def augment_audio(audio: Audio, noises: Sequence[Audio], settings: Augmentation, rng: np.random.Generator) -> Audio:
    """One random draw of all changes to samples."""
    if noises and rng.random() < settings.noise_probability:
        audio = add_noise(audio, noises[int(rng.integers(len(noises)))], rng.uniform(*settings.noise_snr_db), rng)
    if rng.random() < settings.speed_probability:
        audio = change_speed(audio, rng.uniform(*settings.speed))
    if rng.random() < settings.narrowband_probability:
        audio = narrow_band(audio)
    gain = 10 ** (rng.uniform(*settings.gain_db) / 20)
    before, after = (int(rng.uniform(*settings.padding_seconds) * SAMPLE_RATE) for _ in range(2))
    audio = np.pad(audio * np.float32(gain), (before, after))
    dithered: Audio = audio + rng.standard_normal(len(audio), dtype=np.float32) * np.float32(settings.dither)
    return dithered


def mask_features(mel_TM: Tensor, settings: Augmentation, rng: np.random.Generator) -> Tensor:
    """SpecAugment (D. Park et al., 2019) without warping: normalised log-mel (T, M), masked bins and frames at 0."""
    masked = mel_TM.clone()
    frames, bins = masked.shape
    for _ in range(settings.frequency_masks):
        width = int(rng.integers(settings.frequency_mask_bins + 1))
        low = int(rng.integers(bins - width + 1))
        masked[:, low : low + width] = 0
    for _ in range(settings.time_masks):
        width = int(rng.integers(int(settings.time_mask_share * frames) + 1))
        first = int(rng.integers(frames - width + 1))
        masked[first : first + width] = 0
    return masked


def to_tensor(audio: Audio) -> Tensor:
    """Samples as (1, N)."""
    return torch.from_numpy(np.ascontiguousarray(audio))[None]
