"""From a training checkpoint to a hardware checkpoint: the averaged weights, the statistics and the tokenizer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from gharial_asr.checkpoint import CheckpointError, HardwareCheckpoint, read_checkpoint
from gharial_asr.config import RnntConfig
from gharial_asr.tokenizer import Tokenizer

_NEEDED = ("ema_state_dict", "logmel_norm_weight", "tokenizer_kw", "rnnt_config", "melmeans", "melvars")


def hardware_checkpoint(content: dict[str, Any]) -> HardwareCheckpoint:
    """What recognition needs of a training checkpoint. Raises CheckpointError.

    Weights trained before the features were normalised with the data set's statistics alone are refused, because that
    is the only normalisation of a stream.
    """
    missing = [key for key in _NEEDED if key not in content]
    if missing:
        raise CheckpointError(f"not a training checkpoint of `gharial train`: it lacks {', '.join(missing)}")
    if content["logmel_norm_weight"] != 1.0:
        raise CheckpointError(
            f"the normalisation still blends in utterance statistics (weight {content['logmel_norm_weight']}, "
            f"not 1); train until the blend has ended"
        )
    return HardwareCheckpoint(
        config=RnntConfig.model_validate(content["rnnt_config"]),
        state_dict=content["ema_state_dict"],
        mel_mean=content["melmeans"],
        mel_variance=content["melvars"],
        tokenizer=Tokenizer(content["tokenizer_kw"]["sentpiece_model"]),
        epoch=int(content["epoch"]),
        step=int(content["step"]),
        best_wer=float(content["best_wer"]),
    )


def penalise_blank(checkpoint: HardwareCheckpoint, logit: float) -> HardwareCheckpoint:
    """The checkpoint with `logit` taken from the blank's bias, for a model that loses more words than it makes up."""
    bias_K = checkpoint.state_dict["joint_net.2.bias"].clone()
    bias_K[checkpoint.config.blank] -= logit
    return replace(checkpoint, state_dict=checkpoint.state_dict | {"joint_net.2.bias": bias_K})


def load_training_checkpoint(path: Path) -> HardwareCheckpoint:
    """Reads a training checkpoint for recognition. Raises CheckpointError, OSError."""
    try:
        return hardware_checkpoint(read_checkpoint(path))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
