"""`gharial client transcribe INPUT…`: the words of recordings, folders and pipes, live, and how fast they came."""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from gharial_wire.answers import Answer
from gharial_wire.audio import SAMPLE_RATE
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gharial_client.arguments import add_server_arguments, chunk_samples, server_headers, server_url
from gharial_client.connecting import StreamError
from gharial_client.display import LiveTranscript
from gharial_client.recordings import Pcm, read_recording, recordings_of
from gharial_client.report import line, summary
from gharial_client.sources import LiveAudio
from gharial_client.standard_input import STDIN, pump, read_file
from gharial_client.transcription import Options, Result, transcribe

SUMMARY = "Stream recordings at the pace of speech and show the words as they come."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT",
                        help="wav, flac, ogg, opus, mp3, …; a folder; - for standard input")  # fmt: skip
    add_server_arguments(parser)
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--realtime", action="store_true", help="at the pace of speech (the default)")
    pace.add_argument("--fast", action="store_true", help="as fast as the server takes it")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="recordings streamed at once (%(default)s)")
    parser.add_argument("--raw", action="store_true",
                        help="standard input is S16LE at 16 kHz, mono, no header; sent as it comes")  # fmt: skip
    parser.add_argument("--chunk-ms", type=float, default=60.0, metavar="MS", help="audio per message (%(default)s)")
    parser.add_argument("--partials", action="store_true", help="show what may still change, dimmed")
    parser.add_argument("--words", action="store_true", help="ask for a confidence of each word (words=true)")
    parser.add_argument("--json", action="store_true", help="one JSON object per recording on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Streams the inputs. 0: all went well; 1: some could not be read or streamed."""
    if arguments.jobs < 1:
        raise ValueError(f"--jobs is {arguments.jobs}; give at least 1")
    options = Options(
        pace=None if arguments.fast else 1.0,
        chunk=chunk_samples(arguments),
        headers=server_headers(arguments),
        patience_seconds=arguments.patience,
    )
    return asyncio.run(_Work(arguments, options).run())


class _Work:
    """All inputs, some of them at once; one that fails does not hold up the others."""

    def __init__(self, arguments: argparse.Namespace, options: Options) -> None:
        self._arguments = arguments
        self._options = options
        self._url = server_url(arguments, words="true" if arguments.words else None)
        # Words go to standard output; with --json that belongs to the machine, and the words to the person.
        self._console = Console(stderr=arguments.json or arguments.jobs > 1)
        self._failed = 0
        self._paths = self._readable()

    async def run(self) -> int:
        """Returns the exit status."""
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        waiting = iter(self._paths)
        with Progress(
            *columns, console=self._console, transient=True, disable=self._arguments.jobs == 1 or self._plain
        ) as progress:
            await asyncio.gather(*(self._worker(waiting, progress) for _ in range(self._arguments.jobs)))
        return 1 if self._failed else 0

    @property
    def _plain(self) -> bool:
        return not self._console.is_terminal

    def _readable(self) -> list[Path]:
        paths: list[Path] = []
        for given in self._arguments.inputs:
            try:
                paths += recordings_of([given])
            except ValueError as error:
                self._complain(given, error)
        return paths

    async def _worker(self, waiting: Iterator[Path], progress: Progress) -> None:
        for path in waiting:
            try:
                result = await self._one(path, progress)
            except (OSError, ValueError, StreamError) as error:
                self._complain(path, error)
            else:
                self._report(path, result)

    async def _one(self, path: Path, progress: Progress) -> Result:
        if path == STDIN and self._arguments.raw:
            audio = LiveAudio()
            pump(audio)
            return await self._shown(audio, None)
        samples = await (read_file() if path == STDIN else asyncio.to_thread(read_recording, path))
        if self._arguments.jobs == 1:
            return await self._shown(samples, len(samples) / SAMPLE_RATE)
        task = progress.add_task(path.name, total=len(samples) / SAMPLE_RATE)
        try:
            return await transcribe(
                samples, self._url, self._options, lambda answer: progress.update(task, completed=answer.end)
            )
        finally:
            progress.remove_task(task)

    async def _shown(self, audio: Pcm | LiveAudio, seconds: float | None) -> Result:
        """Streams with its words in the terminal; seconds: how long it is, where that is known."""
        heard = 0.0

        def take(answer: Answer) -> None:
            nonlocal heard
            heard = answer.end
            live.take(answer)

        def status() -> str:
            return f"{heard:.0f} s" if seconds is None else f"{heard:.0f} of {seconds:.0f} s, {heard / seconds:.0%}"

        with LiveTranscript(self._console, self._arguments.partials, status) as live:
            return await transcribe(audio, self._url, self._options, take, live.rewind)

    def _report(self, path: Path, result: Result) -> None:
        if self._arguments.json:
            print(json.dumps({"file": str(path), **summary(result)}, ensure_ascii=False), flush=True)
            return
        if self._arguments.jobs > 1 or self._plain:
            of = f"{path}: " if len(self._paths) > 1 else ""
            print(f"{of}{result.transcript}", flush=True)
        print(line(path.name, result), file=sys.stderr, flush=True)

    def _complain(self, path: Path, error: Exception) -> None:
        self._failed += 1
        told = str(error) if str(path) in str(error) else f"{path}: {error}"
        print(f"gharial client transcribe: {told}", file=sys.stderr, flush=True)
