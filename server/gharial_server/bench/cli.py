"""`gharial bench engine`: how many live streams the engine carries here, how soon it answers, what it costs.
`gharial bench peers`: what other recognisers cost on the same audio. `gharial bench soak`: whether hours of audio leave
a trace. `gharial bench steps`: how long one step takes without the engine. `gharial bench formats`: what decoding a
stream's audio costs."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gharial_asr.cli.recognition_options import add_recognition_arguments, recognition_of
from gharial_asr.precision import PRECISIONS

from gharial_server.bench.settings import DEFAULT_PRECISION, P99_LIMIT_MS, Backend, BenchSettings

if TYPE_CHECKING:
    from gharial_server.bench.measure import BenchResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    engine = what.add_parser("engine", help="live streams at real-time pace, in random phase, without sockets")
    _add_common(engine)
    engine.add_argument("--streams", type=int, default=32, metavar="N", help="live streams (%(default)s)")
    _add_arithmetic(engine)
    engine.add_argument("--state-resets", action="store_true", help="segments of 15 s that share 3 s with the next")
    engine.add_argument(
        "--search",
        action="store_true",
        help=f"the most streams with p99 under {P99_LIMIT_MS:.0f} ms, from --streams on",
    )
    engine.add_argument("--profile", action="store_true", help="where each microsecond of a step goes, as a table")
    engine.add_argument(
        "--unpaced", action="store_true", help="each stream's next frame comes with the last one's answer"
    )
    steps = what.add_parser("steps", help="how long a step of each batch size takes, without the engine around it")
    _add_common(steps)
    steps.add_argument("--streams", type=int, default=32, metavar="N", help="the largest batch (%(default)s)")
    _add_arithmetic(steps)
    peers = what.add_parser("peers", help="the same network in onnxruntime, and pocketsphinx, on the same audio")
    _add_common(peers)
    peers.add_argument("--streams", type=int, default=32, metavar="N", help="streams in a batch (%(default)s)")
    formats = what.add_parser("formats", help="what each audio format of a stream costs, and how long it holds back")
    formats.add_argument("--seconds", type=float, default=20.0, help="of audio, for each (%(default)s)")
    formats.add_argument("--json", action="store_true", help="one JSON object")
    soak = what.add_parser("soak", help="hours of audio through one engine: memory, drift, and equal answers")
    soak.add_argument("--arch", default="starter", metavar="MODEL", help="starter, or a model's file (%(default)s)")
    soak.add_argument("--hours", type=float, default=10.0, help="of audio, for each stream (%(default)s)")
    soak.add_argument("--streams", type=int, default=8, metavar="N", help="streams side by side (%(default)s)")
    soak.add_argument("--precision", choices=["int8", "float32"], default="int8", help="arithmetic (%(default)s)")
    soak.add_argument("--threads", type=int, default=1, metavar="N", help="for arithmetic (%(default)s)")
    soak.add_argument("--audio", type=Path, nargs="+", default=[], metavar="FILE", help="say this instead of noise")
    soak.add_argument("--json", action="store_true", help="one JSON object")
    add_recognition_arguments(soak)


def _add_arithmetic(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--decoder", choices=["greedy", "beam"], default="greedy", help="decoding (%(default)s)")
    parser.add_argument("--backend", choices=["cpu", "cuda"], default="cpu", help="what computes (%(default)s)")
    parser.add_argument("--precision", choices=PRECISIONS, help="arithmetic (cpu: int8, cuda: bf16)")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--arch", default="base", metavar="MODEL",
        help="testing, base or large (random weights), starter, or a checkpoint's or artefact's file (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--checkpoint", metavar="FILE", help="the same as --arch FILE")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long; of each peer (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="for arithmetic (%(default)s)")
    parser.add_argument("--audio", type=Path, nargs="+", default=[], metavar="FILE", help="say this instead of noise")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Measures and prints."""
    if arguments.what == "formats":
        return _formats(arguments.seconds, arguments.json)
    import torch

    torch.set_num_threads(arguments.threads)
    if arguments.what == "soak":
        return _soak(arguments)
    backend: Backend = getattr(arguments, "backend", "cpu")
    settings = BenchSettings(
        model=arguments.checkpoint or arguments.arch,
        streams=arguments.streams,
        seconds=arguments.seconds,
        paced=not getattr(arguments, "unpaced", False),
        threads=arguments.threads,
        precision=getattr(arguments, "precision", None) or DEFAULT_PRECISION[backend],
        audio=tuple(arguments.audio),
        decoder=getattr(arguments, "decoder", "greedy"),
        resets=getattr(arguments, "state_resets", False),
        backend=backend,
    )
    if arguments.what == "peers":
        return _peers(settings, arguments.json)
    if arguments.what == "steps":
        return _steps(settings, arguments.json)
    if arguments.profile:
        return _profile(settings, arguments.json)
    return _engine(settings, arguments.search, arguments.json)


def _engine(settings: BenchSettings, searching: bool, as_json: bool) -> int:
    from gharial_server.bench.measure import run_bench, search
    from gharial_server.bench.text import engine_text, tried

    def tell(result: "BenchResult") -> None:
        print(tried(result), file=sys.stderr, flush=True)

    result = search(settings, tell) if searching else run_bench(settings)
    print(json.dumps(asdict(result)) if as_json else engine_text(result))
    return 0


def _formats(seconds: float, as_json: bool) -> int:
    from gharial_server.bench.formats import measure_formats
    from gharial_server.bench.text import formats_text

    costs = measure_formats(seconds)
    print(json.dumps({"formats": [asdict(cost) for cost in costs]}) if as_json else formats_text(costs))
    return 0


def _steps(settings: BenchSettings, as_json: bool) -> int:
    from gharial_server.bench.steps import run_steps
    from gharial_server.bench.text import steps_text

    result = run_steps(settings)
    print(json.dumps(asdict(result)) if as_json else steps_text(result))
    return 0


def _profile(settings: BenchSettings, as_json: bool) -> int:
    if settings.backend != "cpu":
        raise ValueError("--profile takes the processor's steps apart; leave out --backend cuda, or use nsys for a GPU")
    from gharial_server.bench.profiling import profile
    from gharial_server.bench.text import profile_text

    result = profile(settings)
    print(json.dumps(asdict(result)) if as_json else profile_text(result))
    return 0


def _soak(arguments: argparse.Namespace) -> int:
    from gharial_server.bench.soak import SoakSettings, run_soak
    from gharial_server.bench.text import soak_text

    settings = SoakSettings(
        arguments.arch,
        arguments.hours,
        arguments.streams,
        arguments.precision,
        tuple(arguments.audio),
        recognition_of(arguments),
    )
    result = run_soak(settings, lambda line: print(line, file=sys.stderr, flush=True))
    print(json.dumps(asdict(result)) if arguments.json else soak_text(result))
    return 0 if result.streams_agree and result.fresh_agrees else 1


def _peers(settings: BenchSettings, as_json: bool) -> int:
    try:
        from gharial_server.bench.peers.compare import compare
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("gharial"):
            raise
        raise RuntimeError(
            f"the Python package {error.name!r} is missing. Install the peers with: pip install 'gharial[bench]'"
        ) from error
    from gharial_server.bench.text import peers_text

    result = compare(settings)
    print(json.dumps(asdict(result)) if as_json else peers_text(result))
    return 0
