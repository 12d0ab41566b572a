"""The microphone, by PortAudio: any device and rate, as 16 kHz mono samples."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import soxr
from gharial_wire.audio import FRAME_SECONDS, SAMPLE_RATE

from gharial_client.recordings import Pcm

_REMEDY = "PortAudio is missing; install it with: apt install libportaudio2 (Fedora: dnf install portaudio)"


def devices() -> list[str]:
    """The devices that can record, one line each: number, name, system, channels, rate; the default has a star."""
    sounddevice = _portaudio()
    default, _ = sounddevice.default.device
    systems = sounddevice.query_hostapis()
    return [
        f"{'*' if number == default else ' '}{number:3}  {device['name']}  ({systems[device['hostapi']]['name']}, "
        f"{device['max_input_channels']} channels, {device['default_samplerate']:g} Hz)"
        for number, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]


@contextlib.contextmanager
def listening(device: int | str | None, feed: Callable[[Pcm], None], complain: Callable[[str], None]) -> Iterator[str]:
    """Records until left and gives each 60 ms to `feed`, from a thread of PortAudio's; yields the device's name.

    device: a number or a part of the name of one in `devices`, None for the default. `complain` is told when audio was
    lost because the machine was busy. Raises OSError when there is no such device or it cannot be opened.
    """
    sounddevice = _portaudio()
    try:
        chosen = sounddevice.query_devices(device, "input")
        rate = _rate(sounddevice, device, chosen)
    except (ValueError, sounddevice.PortAudioError) as error:
        raise OSError(f"no microphone to record from ({error}); see gharial client mic --list-devices") from error
    resample = _resampler(rate)

    def take(data: Any, frames: int, at: Any, status: Any) -> None:
        if status.input_overflow:
            complain("the machine was too busy to record; some audio is lost")
        feed(resample(np.frombuffer(bytes(data), np.int16)))

    try:
        stream = sounddevice.RawInputStream(
            rate, round(rate * FRAME_SECONDS), device, channels=1, dtype="int16", callback=take
        )
        stream.start()
    except sounddevice.PortAudioError as error:
        raise OSError(f"{chosen['name']} cannot be opened ({error}); try another --device") from error
    try:
        yield str(chosen["name"])
    finally:
        stream.close()


def _portaudio() -> Any:
    try:
        import sounddevice  # loads the native library, which only the microphone needs
    except OSError as error:
        raise OSError(_REMEDY) from error
    return sounddevice


def _rate(sounddevice: Any, device: int | str | None, chosen: Any) -> int:
    """16 kHz where the device records it, its own rate otherwise."""
    try:
        sounddevice.check_input_settings(device=device, channels=1, dtype="int16", samplerate=SAMPLE_RATE)
    except sounddevice.PortAudioError:
        return int(chosen["default_samplerate"])
    return SAMPLE_RATE


def _resampler(rate: int) -> Callable[[Pcm], Pcm]:
    if rate == SAMPLE_RATE:
        return lambda samples: samples
    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="int16")
    return lambda samples: np.asarray(stream.resample_chunk(samples), np.int16)
