"""`gharial compile`: a hardware checkpoint becomes an artefact."""

import argparse
import json
from pathlib import Path

from gharial_asr.artefact import write_artefact
from gharial_asr.checkpoint import load_hardware_checkpoint
from gharial_asr.compilation import compile_checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="hardware checkpoint (.pt)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="artefact to write (.gharial)")
    parser.add_argument("--json", action="store_true", help="say the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Compiles and says the digest."""
    model = compile_checkpoint(load_hardware_checkpoint(arguments.checkpoint), "int8")
    digest = write_artefact(model, arguments.output)
    size = arguments.output.stat().st_size
    if arguments.json:
        print(json.dumps({"artefact": str(arguments.output), "sha256": digest, "bytes": size}))
    else:
        print(f"{arguments.output}: {size / 1e6:.1f} MB, sha256 {digest}")
    return 0
