"""Weights rounded so that products stay what they were."""

from pathlib import Path

import pytest
import torch
from gharial_asr.checkpoint import load_hardware_checkpoint
from gharial_asr.compilation import compile_weights
from gharial_asr.inference.dense import Int8Weight, quantise_weight
from gharial_asr.inference.network import NetworkWeights
from gharial_asr.rounding.compensated import Inputs, round_compensated
from gharial_asr.rounding.network import round_network
from gharial_asr.rounding.speechlike import speechlike_features
from tiny_models import tiny_config

STARTER = Path(__file__).parents[2] / "models/starter/starter.hardware.pt"


def correlated(rows: int, inputs: int, seed: int, centre: float = 1.0) -> torch.Tensor:
    """Inputs that go up and down together, around a value other than zero."""
    chance = torch.Generator().manual_seed(seed)
    few = torch.randn(rows, 8, generator=chance) @ torch.randn(8, inputs, generator=chance)
    return few + 0.3 * torch.randn(rows, inputs, generator=chance) + centre


@pytest.mark.parametrize(("outputs", "inputs"), [(24, 32), (7, 300), (64, 129), (1, 1)])
def test_products_of_inputs_like_those_told_are_nearer_than_with_the_nearest_weights(outputs: int, inputs: int) -> None:
    """The examples it is measured on are others of the same kind, and fewer than inputs do no harm."""
    weight_NK = torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(3))
    drawn = correlated(4000, inputs, 5)
    told, heard = drawn[:2000], drawn[2000:]
    rounded = round_compensated(weight_NK, Inputs.of(told))
    exact, nearest = heard @ weight_NK.t(), heard @ quantise_weight(weight_NK).dequantised().t()
    mine = heard @ rounded.weight.dequantised().t() + rounded.bias_change
    assert (mine - exact).square().mean() <= (0.5 if inputs > 1 else 1.0) * (nearest - exact).square().mean()
    assert (mine - exact).mean(0).abs().max() <= 0.05 * (1 + (nearest - exact).abs().max())


def test_scales_are_those_of_the_nearest_weights_and_no_level_is_beyond_them() -> None:
    weight_NK = torch.randn(40, 64, generator=torch.Generator().manual_seed(3))
    rounded = round_compensated(weight_NK, Inputs.of(correlated(500, 64, 5))).weight
    assert torch.equal(rounded.scale, quantise_weight(weight_NK).scale)
    assert rounded.values.int().abs().max() <= 127


def test_inputs_that_never_vary_and_rows_of_zeros_are_rounded_too() -> None:
    rounded = round_compensated(torch.zeros(3, 5), Inputs.of(torch.ones(10, 5)))
    assert not rounded.weight.values.any()
    assert torch.isfinite(rounded.bias_change).all()


def test_made_up_features_vary_as_normalised_speech_does() -> None:
    """Mean 0 and variance 1, neighbours in time and frequency alike, the same at every call."""
    features = speechlike_features(tiny_config(), 32, 96)
    assert features.shape == (96, 32, 240)
    assert features.mean().abs() < 0.1
    assert 0.8 < features.var() < 1.2
    mel = features.view(96, 32, 3, 80).permute(0, 2, 1, 3).reshape(288, -1, 80)
    assert (mel[1:] * mel[:-1]).mean() > 0.6
    assert (mel[..., 1:] * mel[..., :-1]).mean() > 0.6
    assert torch.equal(features, speechlike_features(tiny_config(), 32, 96))


def matrices(weights: NetworkWeights) -> list[Int8Weight]:
    layers = (*weights.pre, *weights.post, *weights.prediction)
    found = [each for layer in layers for each in (layer.recurrent, layer.inputs)]
    found += [each.weight for each in (weights.joint_encoder, weights.joint_prediction, weights.joint_output)]
    return [each for each in found if isinstance(each, Int8Weight)]


def test_a_trained_network_is_changed_less_and_no_weight_by_much() -> None:
    checkpoint = load_hardware_checkpoint(STARTER)
    exact, nearest = (compile_weights(checkpoint.config, checkpoint.state_dict, p) for p in ("float32", "int8"))
    rounded = round_network(checkpoint.config, exact)
    pairs = list(zip(matrices(rounded), matrices(nearest), strict=True))
    assert len(pairs) == 9
    for mine, theirs in pairs:
        assert torch.equal(mine.scale, theirs.scale)
        assert 0 < (mine.values.int() - theirs.values.int()).abs().float().mean() < 2
