"""`gharial client transcribe FILE…`: each recording's words, live, and how fast they came."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from rich.console import Console

from gharial_client.arguments import add_server_arguments, chunk_samples, server_headers, server_url
from gharial_client.connecting import StreamError
from gharial_client.display import LiveTranscript
from gharial_client.recordings import read_recording
from gharial_client.transcription import Options, Result, transcribe

SUMMARY = "Stream recordings at the pace of speech and show the words as they come."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="wav, flac, …; other rates are resampled")
    add_server_arguments(parser)
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--realtime", action="store_true", help="at the pace of speech (the default)")
    pace.add_argument("--fast", action="store_true", help="as fast as the server takes it")
    parser.add_argument("--chunk-ms", type=float, default=60.0, metavar="MS", help="audio per message (%(default)s)")
    parser.add_argument("--partials", action="store_true", help="show what may still change, dimmed")
    parser.add_argument("--json", action="store_true", help="one JSON object per recording on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Streams the files one after the other. 0: all went well; 1: some could not be read or streamed."""
    url = server_url(arguments)
    options = Options(
        pace=None if arguments.fast else 1.0,
        chunk=chunk_samples(arguments),
        headers=server_headers(arguments),
        patience_seconds=arguments.patience,
    )
    # Words go to standard output; with --json that belongs to the machine, and the words to the person.
    console = Console(stderr=arguments.json)
    failed = 0
    for path in arguments.files:
        try:
            result = asyncio.run(_one(path, url, options, console, arguments.partials))
        except (OSError, ValueError, StreamError) as error:
            failed += 1
            print(f"gharial client transcribe: {path}: {error}", file=sys.stderr)
            continue
        _report(path, result, console, arguments.json)
    return 1 if failed else 0


async def _one(path: Path, url: str, options: Options, console: Console, partials: bool) -> Result:
    samples = read_recording(path)
    with LiveTranscript(console, partials) as live:
        return await transcribe(samples, url, options, live.take, live.rewind)


def _report(path: Path, result: Result, console: Console, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"file": str(path), **summary(result)}, ensure_ascii=False), flush=True)
        return
    if not console.is_terminal:
        print(result.transcript, flush=True)
    latency = ""
    if result.latencies:
        latency = f"latency p50 {result.latency(50) * 1000:.0f} ms, p99 {result.latency(99) * 1000:.0f} ms, "
    lost = f", {result.reconnects} reconnects" if result.reconnects else ""
    print(
        f"{path.name}: {result.audio_seconds:.1f} s of audio, {result.answers} answers, {latency}"
        f"last answer {result.closing_seconds * 1000:.0f} ms after the end{lost}",
        file=sys.stderr,
    )


def summary(result: Result) -> dict[str, object]:
    """The result as JSON fields; times in seconds, latencies in milliseconds."""
    return {
        "transcript": result.transcript,
        "audio_seconds": round(result.audio_seconds, 3),
        "wall_seconds": round(result.wall_seconds, 3),
        "answers": result.answers,
        "latency_ms": {
            f"p{percent}": round(result.latency(percent) * 1000, 1) if result.latencies else None
            for percent in (50, 90, 99, 100)
        },
        "closing_ms": round(result.closing_seconds * 1000, 1),
        "reconnects": result.reconnects,
        "streams": result.streams,
    }
