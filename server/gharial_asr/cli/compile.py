"""`gharial compile`: a hardware checkpoint becomes an artefact."""

import argparse
import json
from pathlib import Path

from gharial_asr.architectures import architecture_name
from gharial_asr.artefact import looks_like_artefact, write_artefact
from gharial_asr.checkpoint import load_hardware_checkpoint
from gharial_asr.compilation import TARGETS, compile_checkpoint
from gharial_asr.decoding.ngram import with_ngram


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="hardware checkpoint (.pt)")
    parser.add_argument("--target", choices=TARGETS, default="cpu", help="what will run it (%(default)s)")
    parser.add_argument(
        "--ngram", type=Path, metavar="PATH",
        help="n-gram for decoder beam instead of the checkpoint's: a file, or a folder with ngram.binary or ngram.arpa",
    )  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="artefact to write (.gharial)")
    parser.add_argument("--json", action="store_true", help="say the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Compiles and says the digest. Raises ValueError, OSError."""
    target = arguments.target
    if looks_like_artefact(arguments.checkpoint):
        raise ValueError(f"{arguments.checkpoint} is compiled already; give the hardware checkpoint (.pt) it came from")
    if arguments.output.is_dir() or not arguments.output.parent.is_dir():
        raise OSError(f"{arguments.output} cannot be written; name a file in a folder that is there")
    model = compile_checkpoint(load_hardware_checkpoint(arguments.checkpoint), "int8", target=target)
    if arguments.ngram is not None:
        model = with_ngram(model, arguments.ngram)
    digest = write_artefact(model, arguments.output)
    size = arguments.output.stat().st_size
    architecture = architecture_name(model.config)
    if arguments.json:
        told = {"artefact": str(arguments.output), "sha256": digest, "bytes": size}
        print(json.dumps(told | {"target": target, "architecture": architecture, "version": model.version}))
    else:
        print(f"{arguments.output}: {architecture} for {target}, {size / 1e6:.1f} MB, sha256 {digest}")
    return 0
