"""`gharial bench engine`: how many live streams the engine carries here, and how soon it answers."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from gharial_server.bench.settings import BenchSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    engine = what.add_parser("engine", help="live streams at real-time pace, in random phase, without sockets")
    engine.add_argument("--arch", default="base", choices=["testing", "base", "large"], help="random weights of it")
    engine.add_argument("--checkpoint", type=Path, metavar="FILE", help="measure this model instead")
    engine.add_argument("--precision", choices=["int8", "float32"], default="int8", help="arithmetic (%(default)s)")
    engine.add_argument("--streams", type=int, default=32, metavar="N", help="live streams (%(default)s)")
    engine.add_argument("--seconds", type=float, default=20.0, help="how long (%(default)s)")
    engine.add_argument(
        "--unpaced", action="store_true", help="each stream's next frame comes with the last one's answer"
    )
    engine.add_argument("--threads", type=int, default=1, metavar="N", help="for arithmetic (%(default)s)")
    engine.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Measures and prints."""
    import torch

    from gharial_server.bench.load import run_bench

    torch.set_num_threads(arguments.threads)
    settings = BenchSettings(
        arch=arguments.arch if arguments.checkpoint is None else arguments.checkpoint.stem,
        streams=arguments.streams,
        seconds=arguments.seconds,
        paced=not arguments.unpaced,
        threads=arguments.threads,
        precision=arguments.precision,
        checkpoint=arguments.checkpoint,
    )
    result = run_bench(settings)
    if arguments.json:
        print(json.dumps(asdict(result)))
        return 0
    kept = "in real time" if result.realtime else "NOT in real time"
    print(f"{result.arch} {result.precision}, {result.streams} streams on {result.threads} thread(s): {kept}")
    print(f"answer after p50 {result.p50_ms:.1f} ms, p99 {result.p99_ms:.1f} ms; mean batch {result.mean_batch:.1f}")
    print(
        f"{result.cpu_ms_per_audio_second:.2f} CPU ms per second of audio; {result.bytes_per_stream} bytes per stream"
    )
    return 0
