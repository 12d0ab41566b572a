"""`gharial client mic`: the words of whoever speaks, as they are spoken."""

import argparse
import asyncio
import json
import math
import signal
import sys

import numpy as np
from gharial_wire.answers import Answer
from gharial_wire.audio import SAMPLE_RATE
from rich.console import Console

from gharial_client.arguments import add_server_arguments, chunk_samples, server_headers, server_url
from gharial_client.display import LiveTranscript
from gharial_client.microphone import devices, listening
from gharial_client.recordings import Pcm
from gharial_client.report import summary
from gharial_client.sources import LiveAudio
from gharial_client.transcription import Options, Result, transcribe

SUMMARY = "Stream the microphone and show the words as they are spoken; Ctrl-C ends."
_LEVEL_WIDTH = 20
_QUIETEST_DECIBELS = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    add_server_arguments(parser)
    parser.add_argument("--device", metavar="D", help="number or part of the name of a device (default: the system's)")
    parser.add_argument("--list-devices", action="store_true", help="show what can record, and end")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after this time")
    parser.add_argument("--words", action="store_true", help="ask for a confidence of each word (words=true)")
    parser.add_argument("--chunk-ms", type=float, default=60.0, metavar="MS", help="audio per message (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output at the end")


def run(arguments: argparse.Namespace) -> int:
    """Streams until Ctrl-C, then waits for the last words."""
    if arguments.list_devices:
        print("\n".join(devices()) or "no device can record")
        return 0
    result = asyncio.run(_stream(arguments))
    if arguments.json:
        print(json.dumps(summary(result), ensure_ascii=False), flush=True)
    return 0


async def _stream(arguments: argparse.Namespace) -> Result:
    device = int(arguments.device) if arguments.device and arguments.device.isdigit() else arguments.device
    url = server_url(arguments, words="true" if arguments.words else None)
    options = Options(
        chunk=chunk_samples(arguments),
        headers=server_headers(arguments),
        patience_seconds=arguments.patience,
        through_endpoints=True,
    )
    ear = _Ear(LiveAudio(), arguments.seconds)
    console = Console(stderr=arguments.json)
    live = LiveTranscript(console, status=ear.status)
    loop = asyncio.get_running_loop()
    with listening(device, ear.hear, _complain) as name:
        print(f"listening to {name}; Ctrl-C ends", file=sys.stderr, flush=True)
        loop.add_signal_handler(signal.SIGINT, ear.audio.end)
        try:
            with live:
                shown = live.take if console.is_terminal or arguments.json else _print_final
                result = await transcribe(ear.audio, url, options, shown, live.rewind)
        finally:
            loop.remove_signal_handler(signal.SIGINT)
    if not console.is_terminal and not arguments.json:
        print()
    return result


class _Ear:
    """Hands on what was heard, for so many seconds (None: for ever), and tells how loud it is."""

    def __init__(self, audio: LiveAudio, seconds: float | None) -> None:
        self.audio = audio
        self._left = None if seconds is None else round(seconds * SAMPLE_RATE)
        self._loudest = 0

    def hear(self, samples: Pcm) -> None:
        """Called from the microphone's thread."""
        self._loudest = max(int(np.abs(samples.astype(np.int32)).max(initial=0)), self._loudest // 2)
        self.audio.feed(samples[: self._left])
        if self._left is not None:
            self._left = max(self._left - len(samples), 0)
            if self._left == 0:
                self.audio.end()

    def status(self) -> str:
        """How long and how loud: a full bar is as loud as the device can tell."""
        decibels = 20 * math.log10(max(self._loudest, 1) / 32768)
        level = "#" * round(_LEVEL_WIDTH * max(1 + decibels / _QUIETEST_DECIBELS, 0))
        return f"{self.audio.samples / SAMPLE_RATE:.0f} s  [{level:<{_LEVEL_WIDTH}}]  Ctrl-C ends"


def _print_final(answer: Answer) -> None:
    if not answer.is_provisional:
        print(answer.transcript, end="", flush=True)


def _complain(told: str) -> None:
    print(f"gharial client mic: {told}", file=sys.stderr, flush=True)
