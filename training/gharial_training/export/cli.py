"""`gharial export`: turns a training checkpoint into a hardware checkpoint."""

import argparse
import json
from pathlib import Path

from gharial_asr.checkpoint import save_hardware_checkpoint

from gharial_training.export.hardware import load_training_checkpoint, penalise_blank


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="best.pt or last.pt of a run")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="hardware checkpoint to write (.pt)")
    parser.add_argument(
        "--blank-penalty",
        type=float,
        default=0.0,
        metavar="LOGIT",
        help="taken from the blank's bias: fewer words lost, more words made up (default: 0)",
    )
    parser.add_argument("--json", action="store_true", help="say what was written as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Writes the hardware checkpoint. Raises ValueError, OSError."""
    checkpoint = penalise_blank(load_training_checkpoint(arguments.checkpoint), arguments.blank_penalty)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    save_hardware_checkpoint(arguments.output, checkpoint)
    parameters = sum(value.numel() for value in checkpoint.state_dict.values())
    size = arguments.output.stat().st_size
    if arguments.json:
        print(json.dumps({"output": str(arguments.output), "parameters": parameters, "bytes": size}))
    else:
        print(f"{arguments.output}: {parameters / 1e6:.1f} million parameters, {size / 1e6:.1f} MB")
    return 0
