"""Recordings from files: any rate, channels and format that libsndfile reads, as 16 kHz mono samples."""

from pathlib import Path

import numpy as np
import soundfile
from gharial_wire.audio import SAMPLE_RATE
from numpy.typing import NDArray

Pcm = NDArray[np.int16]


def read_recording(path: Path) -> Pcm:
    """The file's samples, shape (n,), int16 at 16 kHz; channels are averaged, other rates resampled.

    A 16 kHz mono file of 16-bit samples arrives bit for bit. Raises ValueError when the file is no audio.
    """
    try:
        samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} cannot be read as audio ({error}); give a wav, flac, ogg or mp3 file") from error
    if rate == SAMPLE_RATE and samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0])
    import soxr  # only when needed: most recordings for recognition have 16 kHz already

    mono = samples.astype(np.float32).mean(axis=1)
    resampled = soxr.resample(mono, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else mono
    pcm: Pcm = np.clip(np.rint(resampled), -32768, 32767).astype(np.int16)
    return pcm
