"""The checks on a checkpoint's entries, one function per entry. Each raises CheckpointError, which names the key, what
was found and what is expected; `what` is how the caller calls the entry."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from gharial_asr.config import RnntConfig
from gharial_asr.model import parameter_shapes
from gharial_asr.tokenizer import Tokenizer

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
# How many faults a message lists; the first ones tell the story.
_LISTED = 12


class CheckpointError(ValueError):
    """A file that is no usable checkpoint. The message names the file, what is wrong and the remedy."""


def describe(value: object) -> str:
    """What was found, short enough for a message."""
    if isinstance(value, Tensor):
        return f"a tensor {str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, bytes | bytearray | str | dict | list | tuple) and len(value) > 40:
        return f"a {type(value).__name__} of length {len(value)}"
    return f"{value!r:.80}"


def tokenizer(value: object) -> Tokenizer:
    """The `sentpiece_model` entry."""
    if not isinstance(value, bytes | bytearray) or not value:
        raise CheckpointError(
            f"sentpiece_model: found {describe(value)}, expected the bytes of a SentencePiece .model file"
        )
    try:
        return Tokenizer(bytes(value))
    except ValueError as error:
        raise CheckpointError(f"sentpiece_model: {error}") from error


def config(value: object, pieces: int) -> RnntConfig:
    """The `rnnt_config` entry. The documented layout does not say vocab_size; then it is the tokenizer's number of
    pieces."""
    if not isinstance(value, Mapping):
        raise CheckpointError(f"rnnt_config: found {describe(value)}, expected input_val, rnnt and tokenizer")
    section = value.get("tokenizer", {})
    if isinstance(section, Mapping) and "vocab_size" not in section:
        value = {**value, "tokenizer": {**section, "vocab_size": pieces}}
    try:
        found = RnntConfig.model_validate(value)
    except ValidationError as error:
        raise CheckpointError("; ".join(_fault(dict(fault)) for fault in error.errors()[:_LISTED])) from error
    if found.tokenizer.vocab_size != pieces:
        raise CheckpointError(
            f"sentpiece_model has {pieces} pieces, rnnt_config.tokenizer.vocab_size is {found.tokenizer.vocab_size}; "
            f"export the checkpoint with the tokenizer it was trained with"
        )
    return found


def _fault(fault: dict[str, Any]) -> str:
    key = ".".join(map(str, ("rnnt_config", *fault["loc"])))
    found = "" if fault["type"] == "missing" else f"found {describe(fault['input'])}, "
    return f"{key}: {found}{fault['msg'].removeprefix('Value error, ')}"


def statistics(what: str, value: object, filters: int, positive: bool) -> Tensor:
    """A `melmeans` or `melvars` entry as (filters,), in the precision it came in."""
    if not isinstance(value, Tensor) or value.numel() != filters or value.dtype not in FLOATS:
        raise CheckpointError(f"{what}: found {describe(value)}, expected floats of shape ({filters},)")
    flat = _dense(what, value).reshape(filters)
    bad = ~flat.isfinite() | (flat <= 0) if positive else ~flat.isfinite()
    if bad.any():
        index = int(bad.nonzero()[0])
        expected = "positive variances" if positive else "finite means"
        raise CheckpointError(
            f"{what}: found {flat[index].item()} at mel filter {index}, expected {expected}; "
            f"measure the statistics on audio that is not silence"
        )
    return flat


def weights(value: object, rnnt_config: RnntConfig) -> dict[str, Tensor]:
    """The `state_dict` entry: float32, contiguous, every parameter of the architecture and nothing else."""
    if not isinstance(value, Mapping):
        raise CheckpointError(f"state_dict: found {describe(value)}, expected a dictionary of tensors")
    state = _without_duplicates(dict(value))
    faults = [f"{name!r}: found {describe(v)}, expected floats" for name, v in state.items() if not _is_floats(name, v)]
    if faults:
        raise CheckpointError("state_dict." + "; state_dict.".join(faults[:_LISTED]))
    check_shapes(rnnt_config, state)
    ready = {name: _dense(f"state_dict.{name}", value).float().contiguous() for name, value in state.items()}
    broken = [f"state_dict.{name}" for name, value in ready.items() if not value.isfinite().all()]
    if broken:
        raise CheckpointError(
            f"{', '.join(broken[:_LISTED])}: found NaN or infinity, expected finite numbers; "
            f"the training has diverged, export an earlier checkpoint"
        )
    return ready


def check_shapes(rnnt_config: RnntConfig, state: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError that lists every parameter which is missing, unknown or of a wrong shape."""
    expected = parameter_shapes(rnnt_config)
    faults = [f"{name} is missing, expected shape {tuple(shape)}" for name, shape in expected.items()
              if name not in state]  # fmt: skip
    faults += [f"{name} is not part of the architecture" for name in state if name not in expected]
    for name in expected.keys() & state.keys():
        if state[name].shape != expected[name]:
            faults.append(f"{name} has shape {tuple(state[name].shape)}, not {tuple(expected[name])}")
    if faults:
        if state and all(name.startswith("module.") for name in state):
            faults = ["every name begins with module.; save the wrapped model's state_dict, model.module.state_dict()"]
        more = f"; and {len(faults) - _LISTED} more" if len(faults) > _LISTED else ""
        raise CheckpointError(
            "the weights in state_dict do not fit rnnt_config: " + "; ".join(sorted(faults)[:_LISTED]) + more
        )


def _without_duplicates(state: dict[Any, Any]) -> dict[Any, Any]:
    """joint_fc is another name for the joint's last layer, which tools save or leave out."""
    for kind in ("weight", "bias"):
        twin = state.pop(f"joint_fc.{kind}", None)
        real = state.setdefault(f"joint_net.2.{kind}", twin) if twin is not None else None
        if isinstance(twin, Tensor) and isinstance(real, Tensor) and not torch.equal(twin, real):
            raise CheckpointError(f"state_dict.joint_fc.{kind} differs from joint_net.2.{kind}, expected the same")
    return state


def _is_floats(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor) and value.dtype in FLOATS


def _dense(what: str, value: Tensor) -> Tensor:
    if value.layout != torch.strided or value.device.type != "cpu":
        raise CheckpointError(
            f"{what}: found a {value.layout} tensor on {value.device}, expected a plain one with data"
        )
    return value.detach()


def number(what: str, value: object) -> float:
    """A number that only informs (epoch, step, best_wer): infinity says that nothing was measured yet."""
    if isinstance(value, np.generic) or (isinstance(value, Tensor) and value.numel() == 1 and not value.is_meta):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise CheckpointError(f"{what}: found {describe(value)}, expected a number")
    return value
