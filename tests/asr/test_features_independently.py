"""The front end against librosa, which computes the same features in its own way: its mel filters, its transform.

librosa centres a short window in the transform's frame where ours puts it at the start. The power spectrum is the
same, so the signal only has to be shifted by the difference.
"""

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch
from gharial_asr.config import FilterbankConfig
from gharial_asr.features import LogMel
from numpy.typing import NDArray

SAMPLES = Path(__file__).parents[2] / "models/starter/samples"
HOP, TRANSFORM = 160, 512
Signal = NDArray[np.float32]


def independently(x: Signal, window: int) -> NDArray[np.float64]:
    """Log-mel features (frames, 80) by librosa, in float64."""
    emphasised = np.convolve(x.astype(np.float64), [1, -0.97])[: len(x)]
    margin = (TRANSFORM - window) // 2
    padded = np.pad(emphasised, (window - HOP + margin, margin))
    hann = np.sin(np.pi * (np.arange(window) + 0.5) / window) ** 2
    spectrum = librosa.stft(
        padded, n_fft=TRANSFORM, hop_length=HOP, win_length=window, window=hann, center=False, dtype=np.complex128
    )
    filters = librosa.filters.mel(sr=16000, n_fft=TRANSFORM, n_mels=80, htk=False, norm="slaney", dtype=np.float64)
    return np.log(np.maximum(filters @ np.abs(spectrum) ** 2, 1e-20)).T


def ours(x: Signal, window: int) -> NDArray[np.float64]:
    config = FilterbankConfig(window_size=window / 16000)
    return LogMel(config)(torch.from_numpy(x)[None])[0].double().numpy()


def tone(hertz: float, samples: int = 16000) -> Signal:
    return np.sin(2 * np.pi * hertz * np.arange(samples) / 16000).astype(np.float32)


SIGNALS: dict[str, Signal] = {
    "noise": np.random.default_rng(0).standard_normal(16000).astype(np.float32) / 10,
    "a full-scale square wave": np.sign(tone(200.3)).astype(np.float32),
    "a full-scale tone, whose other bands are as good as silent": tone(440),
    "a constant": np.ones(16000, np.float32),
    "one sample in silence": np.eye(1, 960, 700, dtype=np.float32)[0],
    "the smallest samples there are": (tone(1000) > 0).astype(np.float32) / 32768,
    "silence": np.zeros(960, np.float32),
}


@pytest.mark.parametrize("window", [400, 320])
@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.flac")))
def test_features_of_speech_equal_librosas(name: str, window: int) -> None:
    x = soundfile.read(SAMPLES / name, dtype="float32")[0]
    np.testing.assert_allclose(ours(x, window), independently(x, window)[: len(x) // HOP], rtol=0, atol=1e-4)


@pytest.mark.parametrize("window", [400, 320])
@pytest.mark.parametrize("name", SIGNALS)
def test_features_of_extreme_signals_equal_librosas(name: str, window: int) -> None:
    x = SIGNALS[name]
    np.testing.assert_allclose(ours(x, window), independently(x, window), rtol=0, atol=1e-4)
