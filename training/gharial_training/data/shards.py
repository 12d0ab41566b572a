"""Speech shards: plain tar files whose members KEY.opus, KEY.wav or KEY.flac and KEY.txt follow each other."""

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

AUDIO_SUFFIXES = (".opus", ".wav", ".flac")
SAMPLE_RATE = 16000


@dataclass(frozen=True)
class Sample:
    """One utterance: encoded audio and its transcript."""

    key: str
    audio: bytes
    text: str


def read_shard(path: Path) -> Iterator[Sample]:
    """The utterances of one shard, in order. Raises ValueError when audio and text do not pair, OSError."""
    waiting: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            handle = archive.extractfile(member)
            if handle is None or name.suffix not in (*AUDIO_SUFFIXES, ".txt"):
                continue
            kind = "text" if name.suffix == ".txt" else "audio"
            parts = waiting.setdefault(name.stem, {})
            parts[kind] = handle.read()
            if len(parts) == 2:
                del waiting[name.stem]
                yield Sample(name.stem, parts["audio"], parts["text"].decode("utf-8").strip())
    if waiting:
        raise ValueError(f"{path}: {len(waiting)} keys lack audio or text, for example {next(iter(waiting))}")


def decode_audio(encoded: bytes) -> NDArray[np.float32]:
    """Mono samples in [-1, 1) at 16 kHz of any file that libsndfile reads. Raises ValueError."""
    try:
        samples, rate = soundfile.read(io.BytesIO(encoded), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"audio of a kind that libsndfile does not read: {error}") from error
    mono: NDArray[np.float32] = samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    return mono


def write_shard(path: Path, utterances: Iterable[tuple[str, NDArray[np.float32], str]]) -> Iterator[str]:
    """Writes (key, 16 kHz audio, text) as FLAC; yields each key. The file appears when it is whole. Raises OSError."""
    partial = path.with_name(path.name + ".part")
    with tarfile.open(partial, "w") as archive:
        for key, audio, text in utterances:
            encoded = io.BytesIO()
            soundfile.write(encoded, audio, SAMPLE_RATE, format="FLAC")
            for name, content in ((f"{key}.flac", encoded.getvalue()), (f"{key}.txt", text.encode())):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            yield key
    partial.replace(path)
