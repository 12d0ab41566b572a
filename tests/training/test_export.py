"""Training checkpoints that cannot be exported are refused with the key, what was found and what is expected."""

import re
from typing import Any

import pytest
import torch
from gharial_asr.checkpoint import CheckpointError
from gharial_training.export.hardware import hardware_checkpoint
from tiny_models import tiny_checkpoint


def training_content() -> dict[str, Any]:
    good = tiny_checkpoint()
    return {
        "epoch": 3,
        "step": 40,
        "best_wer": 0.25,
        "state_dict": {},
        "ema_state_dict": dict(good.state_dict),
        "tokenizer_kw": {"sentpiece_model": good.tokenizer.model},
        "logmel_norm_weight": 1.0,
        "rnnt_config": good.config.model_dump(mode="json"),
        "melmeans": good.mel_mean,
        "melvars": good.mel_variance,
    }


def test_the_averaged_weights_are_exported() -> None:
    exported = hardware_checkpoint(training_content())
    assert (exported.epoch, exported.step, exported.best_wer) == (3, 40, 0.25)
    assert all(torch.equal(exported.state_dict[k], v) for k, v in tiny_checkpoint().state_dict.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"logmel_norm_weight": 0.5}, "weight 0.5, not 1); train until the blend has ended"),
        ({"tokenizer_kw": None}, "tokenizer_kw: expected a dictionary with sentpiece_model"),
        ({"tokenizer_kw": {"sentpiece_model": "/datasets/x.model"}}, "sentpiece_model: found '/datasets/x.model'"),
        ({"ema_state_dict": None}, "state_dict: found None, expected a dictionary of tensors"),
        ({"ema_state_dict": {}}, "encoder.post_rnn.lstm.bias_hh_l0 is missing, expected shape (256,)"),
        ({"melvars": torch.zeros(80)}, "melvars: found 0.0 at mel filter 0, expected positive variances"),
        ({"rnnt_config": {}}, "rnnt_config.rnnt: Field required"),
    ],
)
def test_a_bad_entry_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=re.escape(message)):
        hardware_checkpoint(training_content() | changes)
