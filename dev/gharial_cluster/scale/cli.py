"""`gharial bench control-plane`: what the operator costs in a large cluster, and how soon it reacts."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from gharial_cluster.scale.measure import measure
from gharial_cluster.scale.settings import ScaleSettings, table

_DEFAULT = ScaleSettings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--nodes", type=int, default=_DEFAULT.nodes, metavar="N", help="nodes (%(default)s)")
    parser.add_argument("--cards", type=int, default=_DEFAULT.cards, metavar="N", help="cards of each (%(default)s)")
    parser.add_argument("--models", type=int, default=_DEFAULT.models, metavar="N", help="models (%(default)s)")
    parser.add_argument(
        "--changes", type=int, default=_DEFAULT.changes, metavar="N", help="cards that change (%(default)s)"
    )
    parser.add_argument(
        "--idle-seconds", type=float, default=_DEFAULT.idle_seconds, metavar="S", help="of nothing (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Measures and prints."""
    settings = ScaleSettings(
        arguments.nodes, arguments.cards, arguments.models, arguments.changes, arguments.idle_seconds
    )
    with tempfile.TemporaryDirectory(prefix="gharial-scale-") as folder:
        result = measure(settings, Path(folder), lambda line: print(line, file=sys.stderr, flush=True))
    print(json.dumps(result.to_json()) if arguments.json else table(result))
    return 0
