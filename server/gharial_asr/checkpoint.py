"""The hardware checkpoint: a `.pt` file with all that recognition needs.

Keys (CAIMAN-ASR documentation, "Exporting a checkpoint"): state_dict, epoch, step, best_wer, melmeans, melvars,
melalpha, sentpiece_model, version, rnnt_config and, since version 1.11, ngram. Pickle can run code, so only plain
tensors and containers are read (`gharial_asr.torch_file`). docs/reference/checkpoint.md says what is accepted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gharial_asr import checkpoint_fields as fields
from gharial_asr.checkpoint_fields import CheckpointError, check_shapes
from gharial_asr.config import RnntConfig
from gharial_asr.model import Rnnt
from gharial_asr.tokenizer import Tokenizer
from gharial_asr.torch_file import TorchFileError, read_torch_file

__all__ = [
    "CheckpointError",
    "HardwareCheckpoint",
    "Ngram",
    "load_hardware_checkpoint",
    "parse_hardware_checkpoint",
    "read_checkpoint",
    "save_hardware_checkpoint",
]

FORMAT_VERSION = "1.14.0"
_NEEDED = ("state_dict", "melmeans", "melvars", "sentpiece_model", "rnnt_config")


@dataclass(frozen=True)
class Ngram:
    """A KenLM binary over the tokenizer's pieces, and the weight of its score beside the network's."""

    binary: bytes
    scale_factor: float


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
    ngram: Ngram | None = None

    def build_model(self) -> Rnnt:
        """The network with these weights, ready for inference."""
        model = Rnnt(self.config)
        model.load_state_dict(self.state_dict)
        return model.eval()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The raw content of a checkpoint file, read without running code. Raises CheckpointError, OSError."""
    try:
        content = read_torch_file(path)
    except TorchFileError as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: found a {type(content).__name__}, expected the dictionary of a checkpoint")
    return content


def parse_hardware_checkpoint(content: dict[str, Any]) -> HardwareCheckpoint:
    """Checks the content of a hardware checkpoint. Raises CheckpointError."""
    missing = [key for key in _NEEDED if key not in content]
    if missing:
        hint = " (a training checkpoint: run `gharial export`)" if "ema_state_dict" in content else ""
        raise CheckpointError(f"not a hardware checkpoint, it lacks {', '.join(missing)}{hint}")
    tokenizer = fields.tokenizer(content["sentpiece_model"])
    config = fields.config(content["rnnt_config"], tokenizer.size)
    filters = config.input_val.filterbank_features.n_filt
    if fields.number("melalpha", content.get("melalpha", 0.0)) != 0.0:
        raise CheckpointError(
            f"melalpha: found {content['melalpha']}, expected 0.0: statistics that follow the stream are not supported"
        )
    if not isinstance(version := content.get("version", ""), str):
        raise CheckpointError(f"version: found {fields.describe(version)}, expected a text like {FORMAT_VERSION}")
    return HardwareCheckpoint(
        config=config,
        state_dict=fields.weights(content["state_dict"], config),
        mel_mean=fields.statistics("melmeans", content["melmeans"], filters, positive=False),
        mel_variance=fields.statistics("melvars", content["melvars"], filters, positive=True),
        tokenizer=tokenizer,
        epoch=int(fields.number("epoch", content.get("epoch", 0))),
        step=int(fields.number("step", content.get("step", 0))),
        best_wer=float(fields.number("best_wer", content.get("best_wer", 1.0))),
        version=version,
        ngram=_ngram(content.get("ngram")),
    )


def _ngram(entry: object) -> Ngram | None:
    """The `ngram` entry: absent before version 1.11, empty where the export was told to skip it."""
    if entry is None:
        return None
    if not isinstance(entry, dict) or not {"binary", "scale_factor"} <= entry.keys():
        raise CheckpointError(f"ngram: found {fields.describe(entry)}, expected binary and scale_factor")
    if entry["binary"] is None:
        return None
    binary = entry["binary"]
    if not isinstance(binary, bytes) or not binary:
        raise CheckpointError(f"ngram.binary: found {fields.describe(binary)}, expected the bytes of a KenLM binary")
    return Ngram(binary, float(fields.number("ngram.scale_factor", entry["scale_factor"])))


def load_hardware_checkpoint(path: Path) -> HardwareCheckpoint:
    """Reads and checks a hardware checkpoint. Raises CheckpointError, OSError."""
    try:
        return parse_hardware_checkpoint(read_checkpoint(path))
    except CheckpointError as error:
        message = str(error)
        raise CheckpointError(message if message.startswith(f"{path}: ") else f"{path}: {message}") from error


def save_hardware_checkpoint(path: Path, checkpoint: HardwareCheckpoint) -> None:
    """Writes the documented layout; the file appears whole or not at all."""
    check_shapes(checkpoint.config, checkpoint.state_dict)
    ngram = checkpoint.ngram
    content: dict[str, Any] = {
        "state_dict": {name: value.detach().clone() for name, value in checkpoint.state_dict.items()},
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "best_wer": checkpoint.best_wer,
        "melmeans": checkpoint.mel_mean,
        "melvars": checkpoint.mel_variance,
        "melalpha": 0.0,
        "sentpiece_model": checkpoint.tokenizer.model,
        # Readers of this version look into the entry without asking whether it is there.
        "ngram": {"binary": ngram.binary if ngram else None, "scale_factor": ngram.scale_factor if ngram else None},
        "version": checkpoint.version,
        "rnnt_config": checkpoint.config.model_dump(mode="json"),
    }
    partial = path.with_name(path.name + ".part")
    torch.save(content, partial)
    partial.replace(path)
