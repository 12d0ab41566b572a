"""The hardware checkpoint: a `.pt` file with all that recognition needs.

Keys (CAIMAN-ASR documentation, "Exporting a checkpoint"): state_dict, epoch, step, best_wer, melmeans, melvars,
melalpha, sentpiece_model, version, rnnt_config and, where there is one, ngram. Pickle can run code, so only plain
tensors and containers are read.
"""

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from gharial_asr.config import RnntConfig
from gharial_asr.model import Rnnt, parameter_shapes
from gharial_asr.tokenizer import Tokenizer

FORMAT_VERSION = "1.14.0"
_NEEDED = ("state_dict", "melmeans", "melvars", "sentpiece_model", "rnnt_config")


class CheckpointError(ValueError):
    """A file that is no usable checkpoint. The message names the file, what is wrong and the remedy."""


@dataclass(frozen=True)
class HardwareCheckpoint:
    """A checked hardware checkpoint. mel_mean and mel_variance have one value per mel filter."""

    config: RnntConfig
    state_dict: dict[str, Tensor]
    mel_mean: Tensor
    mel_variance: Tensor
    tokenizer: Tokenizer
    epoch: int = 0
    step: int = 0
    best_wer: float = 1.0
    version: str = FORMAT_VERSION
    ngram: dict[str, Any] | None = field(default=None)

    def build_model(self) -> Rnnt:
        """The network with these weights, ready for inference."""
        model = Rnnt(self.config)
        model.load_state_dict(self.state_dict)
        return model.eval()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The raw content of a checkpoint file, read without running code. Raises CheckpointError, OSError."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{path} is not a checkpoint of plain tensors ({reason}); export it again with `gharial export`"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not the dictionary of a checkpoint")
    return content


def check_shapes(config: RnntConfig, state_dict: dict[str, Tensor]) -> None:
    """Raises CheckpointError that lists every parameter which is missing, unknown or of a wrong shape."""
    expected = parameter_shapes(config)
    faults = [f"{name} is missing" for name in expected if name not in state_dict]
    faults += [f"{name} is not part of the architecture" for name in state_dict if name not in expected]
    for name in expected.keys() & state_dict.keys():
        if state_dict[name].shape != expected[name]:
            faults.append(f"{name} has shape {tuple(state_dict[name].shape)}, not {tuple(expected[name])}")
    if faults:
        raise CheckpointError("the weights do not fit rnnt_config: " + "; ".join(sorted(faults)))


def parse_hardware_checkpoint(content: dict[str, Any]) -> HardwareCheckpoint:
    """Checks the content of a hardware checkpoint. Raises CheckpointError."""
    missing = [key for key in _NEEDED if key not in content]
    if missing:
        hint = " (a training checkpoint: run `gharial export`)" if "ema_state_dict" in content else ""
        raise CheckpointError(f"not a hardware checkpoint, it lacks {', '.join(missing)}{hint}")
    try:
        config = RnntConfig.model_validate(content["rnnt_config"])
        tokenizer = Tokenizer(content["sentpiece_model"])
    except ValidationError as error:
        first = error.errors()[0]
        raise CheckpointError(f"rnnt_config: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if tokenizer.size != config.tokenizer.vocab_size:
        raise CheckpointError(
            f"the tokenizer has {tokenizer.size} pieces, rnnt_config says {config.tokenizer.vocab_size}"
        )
    filters = config.input_val.filterbank_features.n_filt
    for key in ("melmeans", "melvars"):
        if content[key].numel() != filters:
            raise CheckpointError(f"{key} has shape {tuple(content[key].shape)}, not ({filters},)")
    check_shapes(config, content["state_dict"])
    return HardwareCheckpoint(
        config=config,
        state_dict=content["state_dict"],
        mel_mean=content["melmeans"].reshape(filters),
        mel_variance=content["melvars"].reshape(filters),
        tokenizer=tokenizer,
        epoch=int(content.get("epoch", 0)),
        step=int(content.get("step", 0)),
        best_wer=float(content.get("best_wer", 1.0)),
        version=str(content.get("version", "")),
        ngram=content.get("ngram"),
    )


def load_hardware_checkpoint(path: Path) -> HardwareCheckpoint:
    """Reads and checks a hardware checkpoint. Raises CheckpointError, OSError."""
    try:
        return parse_hardware_checkpoint(read_checkpoint(path))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def save_hardware_checkpoint(path: Path, checkpoint: HardwareCheckpoint) -> None:
    """Writes the documented layout; the file appears whole or not at all."""
    check_shapes(checkpoint.config, checkpoint.state_dict)
    content: dict[str, Any] = {
        "state_dict": {name: value.detach().clone() for name, value in checkpoint.state_dict.items()},
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "best_wer": checkpoint.best_wer,
        "melmeans": checkpoint.mel_mean,
        "melvars": checkpoint.mel_variance,
        "melalpha": 0.0,
        "sentpiece_model": checkpoint.tokenizer.model,
        "version": checkpoint.version,
        "rnnt_config": checkpoint.config.model_dump(mode="json"),
    }
    if checkpoint.ngram is not None:
        content["ngram"] = checkpoint.ngram
    partial = path.with_name(path.name + ".part")
    torch.save(content, partial)
    partial.replace(path)
