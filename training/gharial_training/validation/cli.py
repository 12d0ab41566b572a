"""`gharial validate`: word error rates of a model, set by set."""

import argparse
import json
import sys
from pathlib import Path

import torch
from gharial_asr.artefact import looks_like_artefact
from gharial_asr.cli.recognition_options import add_recognition_arguments, recognition_of
from gharial_asr.compilation import load_model
from gharial_asr.precision import Precision
from gharial_asr.recognition import Recognition

from gharial_training.data.corpus import Corpus
from gharial_training.scoring.measure import SetReport, measure_set, most_wrong, pooled
from gharial_training.scoring.precision import gap_lines, precision_gap


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
    parser.add_argument(
        "--precision",
        choices=["int8", "float32", "both"],
        default="int8",
        help="arithmetic; both: decode twice and say how far apart they are (%(default)s)",
    )
    parser.add_argument(
        "--hearings",
        type=int,
        default=1,
        metavar="N",
        help="decode every utterance N times, each time some milliseconds later: chance counts less (%(default)s)",
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="for arithmetic (%(default)s)")
    parser.add_argument("--examples", type=int, default=0, metavar="N", help="show the N worst utterances of each set")
    parser.add_argument("--transcripts", type=Path, metavar="FILE", help="write key, reference and hypothesis as TSV")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    add_recognition_arguments(parser)


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
    both = arguments.precision == "both"
    if both and looks_like_artefact(arguments.checkpoint):
        raise ValueError(
            f"{arguments.checkpoint} is an artefact, whose weights are int8 already; "
            "give the hardware checkpoint (.pt) it was compiled from to compare precisions"
        )
    told, hearings = recognition_of(arguments), arguments.hearings
    precision: Precision = "float32" if arguments.precision == "float32" else "int8"
    reports = _measure(arguments.checkpoint, precision, wanted, told, hearings)
    gaps = []
    if both:
        exact = _measure(arguments.checkpoint, "float32", wanted, told, hearings)
        gaps = [precision_gap(*pair) for pair in zip(reports, exact, strict=True)]
        if len(gaps) > 1:
            gaps.append(precision_gap(pooled(reports), pooled(exact)))
    if arguments.transcripts:
        lines = ("\t".join((report.name, *pair)) for report in reports for pair in report.pairs)
        arguments.transcripts.write_text("\n".join(lines) + "\n")
    if arguments.json:
        rows = [report.row() for report in reports]
        said = {"checkpoint": str(arguments.checkpoint), "precision": arguments.precision, "sets": rows}
        said["decoder"] = arguments.decoder
        print(json.dumps(said | ({"int8_less_float32": [gap.row() for gap in gaps]} if both else {})))
    else:
        _print_table(reports, arguments.examples)
        if both:
            print("", *gap_lines(gaps), sep="\n")
    return 0


def _measure(
    checkpoint: Path,
    precision: Precision,
    wanted: list[tuple[str, Path, str]],
    recognition: Recognition,
    hearings: int,
) -> list[SetReport]:
    model = load_model(checkpoint, precision)
    reports = []
    for name, folder, keys in wanted:
        corpus = Corpus(folder)
        if sys.stderr.isatty():
            print(f"measuring {name} in {precision} ...", file=sys.stderr)
        utterances = corpus.matching(keys)
        reports.append(measure_set(name, model, corpus, utterances, recognition=recognition, hearings=hearings))
    return reports


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
