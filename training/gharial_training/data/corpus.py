"""A corpus decoded once: all samples of all utterances in one memory-mapped file of int16, and an index beside it."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gharial_training.data.shards import SAMPLE_RATE, decode_audio, read_shard

SAMPLES_FILE = "samples.i16"
INDEX_FILE = "index.json"


@dataclass(frozen=True)
class Utterance:
    """Where an utterance lies in the samples file, in samples, and what is said."""

    key: str
    start: int
    length: int
    text: str

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.length / SAMPLE_RATE


class Corpus:
    """Read access to a decoded corpus."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError when the folder holds no corpus."""
        self.utterances = [Utterance(**entry) for entry in json.loads((folder / INDEX_FILE).read_text())]
        self._samples = np.memmap(folder / SAMPLES_FILE, dtype=np.int16, mode="r")

    def audio(self, utterance: Utterance) -> NDArray[np.float32]:
        """Samples in [-1, 1)."""
        part = self._samples[utterance.start : utterance.start + utterance.length]
        scaled: NDArray[np.float32] = part.astype(np.float32) / np.float32(32768)
        return scaled

    def matching(self, pattern: str) -> list[Utterance]:
        """The utterances whose key matches a regular expression from its start."""
        wanted = re.compile(pattern)
        return [utterance for utterance in self.utterances if wanted.match(utterance.key)]


def decode_corpus(shards: Iterable[Path], folder: Path) -> Iterator[Utterance | str]:
    """Decodes shards into a corpus folder.

    Yields each utterance as it is written, and the key of each whose audio cannot be decoded and is left out. Raises
    ValueError, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index: list[Utterance] = []
    position = 0
    with (folder / SAMPLES_FILE).open("wb") as samples_file:
        for shard in shards:
            for sample in read_shard(shard):
                try:
                    audio = decode_audio(sample.audio)
                except ValueError:
                    yield sample.key
                    continue
                rounded = np.clip(np.rint(audio * 32768), -32768, 32767).astype(np.int16)
                samples_file.write(rounded.tobytes())
                utterance = Utterance(sample.key, position, len(rounded), sample.text)
                position += len(rounded)
                index.append(utterance)
                yield utterance
    partial = folder / (INDEX_FILE + ".part")
    partial.write_text(json.dumps([asdict(utterance) for utterance in index]))
    partial.replace(folder / INDEX_FILE)
