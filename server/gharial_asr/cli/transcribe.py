"""`gharial transcribe`: decodes files offline, without a server."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch

from gharial_asr.audio import read_audio
from gharial_asr.building import build_runner
from gharial_asr.cli.recognition_options import (
    add_keyword_argument,
    add_recognition_arguments,
    keywords_of,
    recognition_of,
)
from gharial_asr.compilation import load_model
from gharial_asr.decoding.ngram import with_ngram
from gharial_asr.offline import Samples, Transcription, transcribe
from gharial_asr.precision import PRECISIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="recordings: wav, flac, ogg, mp3")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="hardware checkpoint (.pt) or artefact (.gharial)",
    )
    parser.add_argument(
        "--ngram", type=Path, metavar="PATH",
        help="n-gram for decoder beam instead of the model's: a file, or a folder with ngram.binary or ngram.arpa",
    )  # fmt: skip
    parser.add_argument("--precision", choices=PRECISIONS, default="int8", help="arithmetic (%(default)s)")
    parser.add_argument("--together", type=int, default=8, metavar="N", help="files decoded side by side (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="for arithmetic (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object per file and line")
    add_recognition_arguments(parser)
    add_keyword_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Decodes the files and prints each in the order given. One that cannot be read is named and left out."""
    if arguments.together < 1 or arguments.threads < 1:
        raise ValueError("--together and --threads must be at least 1")
    torch.set_num_threads(arguments.threads)
    files: list[Path] = arguments.files
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise OSError(f"no such file: {', '.join(missing)}")
    recognition, keywords = recognition_of(arguments), keywords_of(arguments)
    if arguments.ngram is not None and recognition.decoder.decoder != "beam":
        raise ValueError("--ngram is for --decoder beam; give that too")
    model = load_model(arguments.checkpoint, arguments.precision)
    if arguments.ngram is not None:
        model = with_ngram(model, arguments.ngram)
    runner = build_runner(model, min(arguments.together, len(files)), recognition)
    progress = _Progress()
    recordings = _Recordings(files, progress)
    done: dict[int, Transcription] = {}
    printed = 0
    for number, transcription in transcribe(runner, model, recordings, progress.add, recognition.endpointing, keywords):
        done[number] = transcription
        while printed in done:
            progress.clear()
            _print(recordings.read[printed], done.pop(printed), arguments.json, many=len(files) > 1)
            printed += 1
    return 0 if len(recordings.read) == len(files) else 1


def _print(file: Path, transcription: Transcription, as_json: bool, many: bool) -> None:
    if as_json:
        told = {"file": str(file), **asdict(transcription)}
        for word in told["words"]:
            word |= {"start": round(word["start"], 3), "end": round(word["end"], 3)}
        print(json.dumps(told, ensure_ascii=False), flush=True)
    else:
        print(f"{file}: {transcription.transcript}" if many else transcription.transcript, flush=True)


class _Recordings:
    """The samples of the files that can be read, one after the other. read: those files, so far."""

    def __init__(self, files: list[Path], progress: "_Progress") -> None:
        self.read: list[Path] = []
        self._files = files
        self._progress = progress

    def __iter__(self) -> Iterator[Samples]:
        for file in self._files:
            try:
                samples = read_audio(file)
            except (ValueError, OSError) as error:
                self._progress.clear()
                print(f"gharial transcribe: {error}", file=sys.stderr, flush=True)
                continue
            self.read.append(file)
            yield samples


class _Progress:
    """Seconds of audio decoded so far, on a terminal only."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._began = self._last = time.monotonic()
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        self._seconds += seconds
        now = time.monotonic()
        if self._shown and now - self._last > 0.5:
            self._last = now
            speed = self._seconds / (now - self._began)
            print(f"\r{self._seconds:.0f} s decoded, {speed:.0f} times real time", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
