"""`gharial client load`: how fast are answers while N streams speak at once?"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
import uvloop
from gharial_wire.audio import SAMPLE_RATE

from gharial_client.arguments import add_server_arguments, chunk_samples, server_headers, server_url
from gharial_client.load.generators import Measure, generators
from gharial_client.load.page import page
from gharial_client.load.plan import Level, LoadPlan
from gharial_client.load.search import Verdict, judge, next_level
from gharial_client.load.summary import Conditions, Fields, summary
from gharial_client.load.tally import Tally
from gharial_client.recordings import Pcm, read_recording

SUMMARY = "Keep many streams going at the pace of speech and measure what users feel."
# Without recordings: noise of this length, loud enough for a network to work on.
_NOISE_SECONDS = 20
# To start a stream, where nothing else is said: as many as a server may be asked for in a second, and a rest.
_RAMP_PER_STREAM, _RAMP_REST = 0.01, 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings to play (default: noise)")
    add_server_arguments(parser)
    load = parser.add_argument_group("load")
    load.add_argument("--streams", type=int, default=10, metavar="N", help="streams at once (%(default)s)")
    load.add_argument("--seconds", type=float, default=20.0, metavar="S", help="measured time (%(default)s)")
    load.add_argument("--ramp", type=float, metavar="S", help="time to start them (default: 10 ms each and 1 s)")
    load.add_argument("--chunk-ms", type=float, default=60.0, metavar="MS", help="audio per message (%(default)s)")
    load.add_argument("--stream-seconds", type=float, default=0.0, metavar="S",
                      help="a stream ends with a recording, but not before this time (%(default)s)")  # fmt: skip
    load.add_argument("--processes", type=int, default=1, metavar="P", help="to share the streams (%(default)s)")
    load.add_argument("--seed", type=int, default=0, help="of the random offsets (%(default)s)")
    search = parser.add_argument_group("search")
    search.add_argument("--search", action="store_true",
                        help="look for the most streams within the limit, beginning with --streams")  # fmt: skip
    search.add_argument("--p99-limit", type=float, default=100.0, metavar="MS",
                        help="the latency that 99 %% of the frames must keep (%(default)s)")  # fmt: skip
    report = parser.add_argument_group("report")
    report.add_argument("--json", action="store_true", help="the report as JSON")
    report.add_argument("--html", type=Path, metavar="FILE", help="write it as a page with plots, too")


def run(arguments: argparse.Namespace) -> int:
    """Runs the load. 0: every stream went well, or the search found a number; 1: not, and the report counts why."""
    for name in ("streams", "seconds", "processes", "p99_limit"):
        if getattr(arguments, name) <= 0:
            raise ValueError(f"--{name.replace('_', '-')} must be positive")
    plan = LoadPlan(
        server_url(arguments),
        _recordings(arguments),
        server_headers(arguments),
        chunk_samples(arguments),
        arguments.stream_seconds,
        arguments.seed,
    )
    fields, good = uvloop.run(_searched(plan, arguments) if arguments.search else _measured(plan, arguments))
    if arguments.html is not None:
        arguments.html.write_text(page(fields), encoding="utf-8")
    if arguments.json:
        print(json.dumps(fields))
    else:
        print("\n".join(f"{name:<32}{value}" for name, value in _short(fields).items()))
    return 0 if good else 1


async def _measured(plan: LoadPlan, arguments: argparse.Namespace) -> tuple[Fields, bool]:
    level = _level(arguments, arguments.streams, arguments.streams)
    async with generators(plan, arguments.processes) as measure:
        tally = await measure(level)
    return summary(Conditions(plan, level, arguments.processes), tally), not tally.failures and not tally.unanswered


async def _searched(plan: LoadPlan, arguments: argparse.Namespace) -> tuple[Fields, bool]:
    """Reports the largest level that passed, or the smallest where none did."""
    limit = arguments.p99_limit / 1000
    verdicts: list[Verdict] = []
    tallies: dict[int, tuple[Level, Tally]] = {}
    streams: int | None = arguments.streams
    async with generators(plan, arguments.processes) as measure:
        running = 0
        while streams is not None:
            level = _level(arguments, streams, max(streams - running, 0))
            tally = await measure(level)
            verdicts.append(judge(streams, tally, limit))
            tallies[streams] = (level, tally)
            _tell(verdicts[-1])
            running = await _relieve(measure, verdicts[-1])
            streams = next_level(verdicts)
    passed = [verdict.streams for verdict in verdicts if verdict.failed is None]
    level, tally = tallies[max(passed) if passed else min(tallies)]
    return summary(Conditions(plan, level, arguments.processes, limit), tally, verdicts), bool(passed)


async def _relieve(measure: Measure, verdict: Verdict) -> int:
    """Returns the streams to go on with: none after too many, for what they left undone would count for the next."""
    if verdict.failed is None:
        return verdict.streams
    await measure(Level(0, 0.0, 1.0))
    return 0


def _level(arguments: argparse.Namespace, streams: int, new: int) -> Level:
    ramp = arguments.ramp if arguments.ramp is not None else _RAMP_PER_STREAM * new + _RAMP_REST
    return Level(streams, ramp, arguments.seconds)


def _tell(verdict: Verdict) -> None:
    p99 = f"p99 {1000 * verdict.p99:.1f} ms" if math.isfinite(verdict.p99) else "p99 beyond all limits"
    print(f"{verdict.streams} streams: {p99}; {verdict.failed or 'within the limit'}", file=sys.stderr, flush=True)


def _short(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name not in ("histogram", "over_time")}


def _recordings(arguments: argparse.Namespace) -> tuple[bytes, ...]:
    """The files as S16LE. Raises ValueError when one is no audio or all are empty."""
    if not arguments.files:
        return (_noise(arguments.seed).astype("<i2").tobytes(),)
    recordings = tuple(read_recording(path).astype("<i2", copy=False).tobytes() for path in arguments.files)
    spoken = tuple(filter(None, recordings))
    if not spoken:
        raise ValueError("every recording is empty; give one that holds speech")
    return spoken


def _noise(seed: int) -> Pcm:
    generator = np.random.default_rng(seed)
    return generator.normal(0, 1000, _NOISE_SECONDS * SAMPLE_RATE).astype(np.int16)
