"""Recordings from files: any rate, channels and format that libsndfile reads, as 16 kHz mono samples."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from gharial_wire.audio import SAMPLE_RATE
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
# What is taken from a folder; a file that is named is tried whatever it is called.
SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64"}
)


def recordings_of(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that are meant: those named, and of a folder all that look like audio, in order, however deep.

    Raises ValueError for a folder without any.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not found:
            raise ValueError(f"{path} holds no audio; looked for {', '.join(sorted(SUFFIXES))}")
        yield from found


def read_recording(path: Path) -> Pcm:
    """The file's samples, shape (n,), int16 at 16 kHz; channels are averaged, other rates resampled.

    A 16 kHz mono file of 16-bit samples arrives bit for bit. Raises ValueError when the file is no audio, OSError when
    it cannot be opened.
    """
    with path.open("rb") as file:
        return decode_recording(file, str(path))


def decode_recording(file: BinaryIO, name: str) -> Pcm:
    """The same of a file that is open and can be sought in; `name` is for the error."""
    try:
        samples, rate = soundfile.read(file, dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{name} cannot be read as audio ({error}); give a wav, flac, ogg or mp3 file") from error
    if rate == SAMPLE_RATE and samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0])
    import soxr  # only when needed: most recordings for recognition have 16 kHz already

    mono = samples.astype(np.float32).mean(axis=1)
    resampled = soxr.resample(mono, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else mono
    pcm: Pcm = np.clip(np.rint(resampled), -32768, 32767).astype(np.int16)
    return pcm
