"""From a training checkpoint to a hardware checkpoint: the averaged weights, the statistics and the tokenizer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from gharial_asr.checkpoint import (
    FORMAT_VERSION,
    CheckpointError,
    HardwareCheckpoint,
    parse_hardware_checkpoint,
    read_checkpoint,
)

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
    if not isinstance(content["tokenizer_kw"], dict):
        raise CheckpointError("tokenizer_kw: expected a dictionary with sentpiece_model; train with `gharial train`")
    counters = {key: content[key] for key in ("epoch", "step", "best_wer") if key in content}
    return parse_hardware_checkpoint(
        counters
        | {
            "state_dict": content["ema_state_dict"],
            "melmeans": content["melmeans"],
            "melvars": content["melvars"],
            "sentpiece_model": content["tokenizer_kw"].get("sentpiece_model"),
            "rnnt_config": content["rnnt_config"],
            "version": FORMAT_VERSION,
        }
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
