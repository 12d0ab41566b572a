"""`gharial client load`: how fast are answers while N streams speak at once?"""

import argparse
import asyncio
import json
from pathlib import Path

import numpy as np
from gharial_wire.audio import SAMPLE_RATE

from gharial_client.arguments import add_server_arguments, server_headers, server_url
from gharial_client.latency import percentile
from gharial_client.load import LoadPlan, LoadReport, load
from gharial_client.recordings import Pcm, read_recording

SUMMARY = "Keep many streams going at the pace of speech and measure what users feel."
# Without recordings: noise of this length, loud enough for a network to work on.
_NOISE_SECONDS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings to play (default: noise)")
    add_server_arguments(parser)
    parser.add_argument("--streams", type=int, default=10, metavar="N", help="streams at once (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="measured time (%(default)s)")
    parser.add_argument("--ramp", type=float, metavar="S", help="time to start them all (default: 10 ms each)")
    parser.add_argument("--seed", type=int, default=0, help="of the random offsets (%(default)s)")
    parser.add_argument("--json", action="store_true", help="the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Runs the load. 0: every stream went well; 1: some failed, and the report counts why."""
    if arguments.streams < 1 or arguments.seconds <= 0:
        raise ValueError("--streams and --seconds must be positive")
    ramp = arguments.ramp if arguments.ramp is not None else 0.01 * arguments.streams + 1.0
    plan = LoadPlan(arguments.streams, arguments.seconds, ramp, server_headers(arguments), arguments.seed)
    recordings = [read_recording(path) for path in arguments.files] or [_noise(arguments.seed)]
    report = asyncio.run(load(recordings, server_url(arguments), plan))
    shown = summary(report)
    print(json.dumps(shown) if arguments.json else "\n".join(f"{name:<24}{value}" for name, value in shown.items()))
    return 1 if report.failures else 0


def summary(report: LoadReport) -> dict[str, object]:
    """The report as fields: times in milliseconds where the name says so."""
    return {
        "streams": report.plan.streams,
        "seconds": report.plan.seconds,
        "audio_seconds": round(report.audio_seconds, 1),
        "real_time_streams": round(report.audio_seconds / report.plan.seconds, 1),
        "answers": report.answers,
        "latency_ms": _percentiles(report.latencies),
        "closing_ms": _percentiles(report.closings),
        "completed": report.completed,
        "failures": dict(report.failures),
        "late_sends": report.late_sends,
        "client_cpu_ms_per_audio_second": round(1000 * report.client_cpu_seconds / max(report.audio_seconds, 1e-9), 3),
    }


def _percentiles(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {f"p{percent}": round(1000 * percentile(seconds, percent), 1) for percent in (50, 90, 99, 100)}


def _noise(seed: int) -> Pcm:
    generator = np.random.default_rng(seed)
    return generator.normal(0, 1000, _NOISE_SECONDS * SAMPLE_RATE).astype(np.int16)
