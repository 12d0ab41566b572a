"""`gharial train`: trains a model from prepared corpora."""

import argparse
import signal
import sys
from pathlib import Path

from gharial_training.fitting.recipe import load_recipe
from gharial_training.fitting.run_files import RunFolder
from gharial_training.fitting.workers import train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument("--recipe", type=Path, required=True, help="YAML recipe, for example recipes/starter.yaml")
    parser.add_argument("--corpora", type=Path, required=True, help="folder of corpora from `gharial data prepare`")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run: checkpoints, tokenizer, log")
    parser.add_argument("--minutes", type=float, help="length of the run, or of what is left of a resumed one")
    parser.add_argument("--workers", type=int, default=2, help="processes, one core each (default: 2)")
    parser.add_argument("--from", dest="start_from", type=Path, metavar="FILE", help="begin with this run's weights")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in --output")


def run(arguments: argparse.Namespace) -> int:
    """Trains until the minutes are over. Raises ValueError, OSError."""
    recipe = load_recipe(arguments.recipe)
    minutes = recipe.schedule.minutes if arguments.minutes is None else arguments.minutes
    folder = RunFolder(arguments.output)
    # Python's own answer to SIGTERM would leave the workers behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    train(recipe, arguments.corpora, folder, minutes, arguments.workers, arguments.resume, arguments.start_from)
    print(f"done; export with: gharial export --checkpoint {folder.last} --output MODEL.pt")
    return 0
