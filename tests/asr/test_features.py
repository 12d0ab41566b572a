"""The front end gives the documented numbers, whole or streamed."""

import math

import numpy as np
import pytest
import torch
from gharial_asr.config import FilterbankConfig, RnntConfig
from gharial_asr.features import Features, LogMel, hann_half_steps, mel_filters

CONFIG = RnntConfig.model_validate(
    {
        "rnnt": {"enc_n_hid": 8, "enc_post_rnn_layers": 1, "pred_n_hid": 8, "joint_n_hid": 8},
        "tokenizer": {"vocab_size": 7},
    }
)


def _noise(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, samples, generator=torch.Generator().manual_seed(seed)) * 0.1


def _by_hand(x: np.ndarray, frame: int) -> np.ndarray:
    """One log-mel frame straight from the definition, with a discrete Fourier transform written out."""
    emphasised = x - 0.97 * np.concatenate([[0.0], x[:-1]])
    padded = np.concatenate([np.zeros(240), emphasised])[frame * 160 : frame * 160 + 400]
    n = np.arange(400)
    windowed = padded * (0.5 - 0.5 * np.cos(2 * np.pi * (n + 0.5) / 400))
    k = np.arange(257)[:, None]
    power = np.abs((windowed * np.exp(-2j * np.pi * k * n / 512)).sum(1)) ** 2
    return np.log(np.maximum(power @ mel_filters(80, 512, 16000).numpy(), 1e-20))


def test_a_frame_is_the_logarithm_of_mel_energies_of_the_windowed_preemphasised_signal() -> None:
    x = _noise(960)
    mel = LogMel(FilterbankConfig())(x)[0].double().numpy()
    for frame in (0, 1, 5):
        np.testing.assert_allclose(mel[frame], _by_hand(x[0].double().numpy(), frame), atol=2e-4)


def test_sixty_milliseconds_give_six_frames_and_two_encoder_inputs() -> None:
    features = Features(CONFIG, torch.zeros(80), torch.ones(80))
    assert LogMel(FilterbankConfig())(_noise(960)).shape == (1, 6, 80)
    assert features(_noise(960)).shape == (1, 2, 240)
    assert features(_noise(961)).shape == (1, 4, 240)


@pytest.mark.parametrize("steps_at_once", [1, 2, 5])
def test_streamed_features_equal_whole_ones_exactly(steps_at_once: int) -> None:
    features = Features(CONFIG, torch.full((80,), -3.0), torch.full((80,), 4.0))
    x = _noise(960 * 10)
    history = features.log_mel.history_samples
    padded = torch.nn.functional.pad(x, (history, 0))
    size = 960 * steps_at_once
    parts = [features.chunk(padded[:, at : at + history + size]) for at in range(0, 9600, size)]
    assert torch.equal(torch.cat(parts, 1), features(x))


def test_silence_gives_the_floor() -> None:
    mel = LogMel(FilterbankConfig())(torch.zeros(1, 960))
    assert torch.allclose(mel, torch.full_like(mel, math.log(1e-20)))


def test_normalisation_gives_zero_mean_and_unit_variance_for_matching_statistics() -> None:
    log_mel = LogMel(FilterbankConfig())
    mel = log_mel(_noise(96000))[0].double()
    features = Features(CONFIG, mel.mean(0), mel.var(0, unbiased=False))
    normalised = features(_noise(96000)).reshape(-1, 80)
    assert normalised.mean(0).abs().max() < 1e-4
    assert (normalised.std(0) - 1).abs().max() < 1e-2


def test_the_window_is_symmetric_and_never_zero() -> None:
    window = hann_half_steps(400)
    assert torch.allclose(window, window.flip(0))
    assert window.min() > 0


def test_mel_filters_have_equal_area() -> None:
    filters = mel_filters(80, 4096, 16000)
    areas = filters.sum(0) * 8000 / 2048
    assert torch.allclose(areas, torch.ones_like(areas), atol=0.05)


def test_a_window_longer_than_the_transform_is_refused() -> None:
    with pytest.raises(ValueError, match="window_size"):
        FilterbankConfig(window_size=0.05)


def test_the_testing_architecture_has_a_twenty_millisecond_window() -> None:
    config = FilterbankConfig(window_size=0.02)
    assert config.window_samples == 320
    assert LogMel(config).history_samples == 161
