"""The files of a run: its prepared inputs, training checkpoints and the log.

Training checkpoint keys (CAIMAN-ASR documentation, "Checkpoints"): epoch, step, best_wer, state_dict, ema_state_dict,
optimizer, tokenizer_kw, logmel_norm_weight. Ours adds what export and resuming need: ctc_head, progress, rnnt_config,
melmeans, melvars and
meln.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gharial_asr.checkpoint import CheckpointError, read_checkpoint
from torch import Tensor


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps its files."""

    path: Path

    @property
    def last(self) -> Path:
        """The newest checkpoint, from which a run resumes."""
        return self.path / "last.pt"

    @property
    def best(self) -> Path:
        """The checkpoint with the lowest word error rate on the sets that choose."""
        return self.path / "best.pt"

    @property
    def tokenizer(self) -> Path:
        """The SentencePiece model."""
        return self.path / "tokenizer.model"

    @property
    def log(self) -> Path:
        """One JSON object a line."""
        return self.path / "log.jsonl"

    def save(self, content: dict[str, Any], path: Path) -> None:
        """Writes a checkpoint whole or not at all."""
        partial = path.with_suffix(".part")
        torch.save(content, partial)
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> dict[str, Any]:
        """A training checkpoint. Raises CheckpointError, OSError."""
        content = read_checkpoint(path)
        if "ctc_head" not in content:
            raise CheckpointError(f"{path} is no training checkpoint of `gharial train`: it lacks ctc_head")
        return content

    def write_log(self, entry: dict[str, Any]) -> None:
        """Appends to the log."""
        with self.log.open("a") as log:
            log.write(json.dumps(entry) + "\n")


def cloned(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A copy of a state dictionary that later steps do not change."""
    return {name: value.detach().clone() for name, value in state.items()}
