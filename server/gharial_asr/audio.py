"""Recordings from files: any format that libsndfile reads, as 16 kHz mono samples."""

from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray


class AudioError(ValueError):
    """A file that holds no readable audio."""


def read_audio(path: Path, sample_rate: int = 16000) -> NDArray[np.float32]:
    """Samples (n,) in [-1, 1]; channels are averaged, other rates resampled. Raises AudioError, OSError."""
    with path.open("rb") as file:
        try:
            samples_NC, rate = soundfile.read(file, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudioError(
                f"{path} is no audio file that can be read ({error}); give wav, flac, ogg or mp3"
            ) from error
    if not np.isfinite(samples_NC).all():
        raise AudioError(f"{path} holds samples that are no numbers (NaN or infinity); convert the recording again")
    samples: NDArray[np.float32] = samples_NC.mean(axis=1, dtype=np.float32)
    if rate != sample_rate:
        samples = soxr.resample(samples, rate, sample_rate).astype(np.float32)
    return samples
