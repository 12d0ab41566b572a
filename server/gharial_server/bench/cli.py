"""`gharial bench engine`: how many live streams the engine carries here, how soon it answers, what it costs."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gharial_server.bench.settings import P99_LIMIT_MS, BenchSettings

if TYPE_CHECKING:
    from gharial_server.bench.measure import BenchResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    engine = what.add_parser("engine", help="live streams at real-time pace, in random phase, without sockets")
    _add_common(engine)
    engine.add_argument("--streams", type=int, default=32, metavar="N", help="live streams (%(default)s)")
    engine.add_argument(
        "--search",
        action="store_true",
        help=f"the most streams with p99 under {P99_LIMIT_MS:.0f} ms, from --streams on",
    )
    engine.add_argument(
        "--unpaced", action="store_true", help="each stream's next frame comes with the last one's answer"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--arch", default="base", metavar="MODEL",
        help="testing, base or large (random weights), starter, or a checkpoint's or artefact's file (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--checkpoint", metavar="FILE", help="the same as --arch FILE")
    parser.add_argument("--precision", choices=["int8", "float32"], default="int8", help="arithmetic (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="for arithmetic (%(default)s)")
    parser.add_argument("--audio", type=Path, nargs="+", default=[], metavar="FILE", help="say this instead of noise")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Measures and prints."""
    import torch

    from gharial_server.bench.measure import run_bench, search

    torch.set_num_threads(arguments.threads)
    settings = BenchSettings(
        model=arguments.checkpoint or arguments.arch,
        streams=arguments.streams,
        seconds=arguments.seconds,
        paced=not arguments.unpaced,
        threads=arguments.threads,
        precision=arguments.precision,
        audio=tuple(arguments.audio),
    )
    result = search(settings, _tell) if arguments.search else run_bench(settings)
    print(json.dumps(asdict(result)) if arguments.json else _text(result))
    return 0


def _tell(result: "BenchResult") -> None:
    """A line about a try of the search, apart from the result."""
    verdict = "carried" if result.carried else "too many"
    print(f"{result.streams} streams: p99 {result.p99_ms} ms, {verdict}", file=sys.stderr, flush=True)


def _text(result: "BenchResult") -> str:
    kept = "in real time" if result.realtime else "NOT in real time"
    weights = "random weights" if result.random_weights else "its own weights"
    machine = result.machine
    return "\n".join(
        (
            f"{result.arch} ({weights}) {result.precision} {result.decoder}, {result.streams} streams "
            f"on {result.threads} thread(s): {kept}",
            f"answer after p50 {result.p50_ms} ms, p99 {result.p99_ms} ms; batches of {result.mean_batch} "
            f"(p50 {result.batch_p50}, p99 {result.batch_p99}, most {result.batch_max}); "
            f"{result.tokens_per_frame} tokens per frame",
            f"{result.cpu_ms_per_audio_second} CPU ms per second of audio; the generator's own "
            f"{result.generator_cpu_ms_per_audio_second} are not in it",
            f"{result.bytes_per_stream} bytes per stream; {result.rss_bytes >> 20} MiB resident",
            f"{machine.cpu} ({', '.join(machine.flags)}), {machine.cores} cores, load {machine.load}, {machine.commit}",
        )
    )
