"""`gharial demo`: from a bare machine to words through a real two-node cluster."""

import argparse

from gharial_cluster.demo.stages import run_demo
from gharial_cluster.paths import checkout_root, default_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the demo's options."""
    parser.add_argument(
        "--name", default=default_name(checkout_root()), help="name of the cluster to use or start (%(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs all stages; every one goes on from where an interrupted run stopped."""
    run_demo(arguments.name)
    return 0
