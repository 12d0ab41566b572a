"""`gharial validate`: word error rates of a model, set by set."""

import argparse
import json
import sys
from pathlib import Path

import torch
from gharial_asr.compilation import load_model

from gharial_training.data.corpus import Corpus
from gharial_training.scoring.measure import SetReport, measure_set, most_wrong


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="hardware checkpoint (.pt) or artefact",
    )
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        required=True,
        metavar="NAME=CORPUS[:KEYS]",
        help="a set to measure: a folder from `gharial data prepare` and a regular expression on keys; may be repeated",
    )
    parser.add_argument("--precision", choices=["int8", "float32"], default="int8", help="arithmetic (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="for arithmetic (%(default)s)")
    parser.add_argument("--examples", type=int, default=0, metavar="N", help="show the N worst utterances of each set")
    parser.add_argument("--transcripts", type=Path, metavar="FILE", help="write key, reference and hypothesis as TSV")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def parse_set(text: str) -> tuple[str, Path, str]:
    """Name, corpus folder and pattern of NAME=CORPUS[:KEYS]. Raises ValueError."""
    name, equals, rest = text.partition("=")
    folder, _, keys = rest.partition(":")
    if not (name and equals and folder):
        raise ValueError(f"--set {text!r} is not NAME=CORPUS or NAME=CORPUS:KEYS")
    return name, Path(folder), keys


def run(arguments: argparse.Namespace) -> int:
    """Measures every set. Raises ValueError, OSError."""
    torch.set_num_threads(arguments.threads)
    wanted = [parse_set(text) for text in arguments.sets]
    model = load_model(arguments.checkpoint, arguments.precision)
    reports = []
    for name, folder, keys in wanted:
        corpus = Corpus(folder)
        if sys.stderr.isatty():
            print(f"measuring {name} ...", file=sys.stderr)
        reports.append(measure_set(name, model, corpus, corpus.matching(keys)))
    if arguments.transcripts:
        lines = ("\t".join((report.name, *pair)) for report in reports for pair in report.pairs)
        arguments.transcripts.write_text("\n".join(lines) + "\n")
    if arguments.json:
        rows = [report.row() for report in reports]
        print(json.dumps({"checkpoint": str(arguments.checkpoint), "precision": arguments.precision, "sets": rows}))
    else:
        _print_table(reports, arguments.examples)
    return 0


def _print_table(reports: list[SetReport], examples: int) -> None:
    header = f"{'utterances':>12}{'hours':>8}{'words':>8}{'WER':>9}{'sub':>7}{'del':>7}{'ins':>7}"
    print(f"{'set':<24}{header}")
    for report in reports:
        errors = report.errors
        rate = f"{errors.rate:.2%}" if errors.reference_words else "no words"
        counts = f"{errors.substitutions:>7}{errors.deletions:>7}{errors.insertions:>7}"
        size = f"{len(report.pairs):>12}{report.seconds / 3600:>8.2f}{errors.reference_words:>8}"
        print(f"{report.name:<24}{size}{rate:>9}{counts}")
    for report in reports:
        for key, reference, hypothesis in most_wrong(report, examples):
            print(f"\n{report.name} {key}\n  said:  {reference}\n  heard: {hypothesis}")
