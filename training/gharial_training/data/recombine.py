"""New utterances from old ones: recordings of words with pauses between them are cut there and joined in new orders.

Few recordings of few words then give many different strings, so that the network learns the words and not the strings.
"""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from gharial_training.data.augment import Audio, change_speed
from gharial_training.data.shards import SAMPLE_RATE

_HOP = SAMPLE_RATE // 200


class Recombination(BaseModel):
    """Which utterances are cut and what is made of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: str = Field(description="Regular expression on keys.")
    speaker: str = Field(description="Regular expression whose first group is the speaker: words of two never mix.")
    utterances_per_epoch: int = Field(gt=0)
    words: tuple[int, int] = Field(default=(1, 10), description="Fewest and most words in a new utterance.")
    repeats: float = Field(
        default=0.1, ge=0, le=1, description="How often a word comes again: in another recording, and must not be lost."
    )
    pause_seconds: tuple[float, float] = (0.02, 0.5)
    speed: tuple[float, float] = Field(default=(0.85, 1.2), description="Factors on tempo and pitch: more voices.")
    tilt: tuple[float, float] = Field(default=(-0.3, 0.3), description="Weight of the sample before: dull to bright.")


def cut_at_pauses(audio: Audio, words: int) -> list[Audio]:
    """Cuts a recording in the middle of its `words - 1` quietest long pauses; nothing when there are fewer."""
    if words == 1:
        return [audio]
    envelope = np.sqrt(np.mean(audio[: len(audio) // _HOP * _HOP].reshape(-1, _HOP) ** 2, axis=1))
    quiet = envelope < 0.05 * np.percentile(envelope, 95)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    runs = [(end - start, (start + end) // 2) for start, end in edges.reshape(-1, 2) if start > 0 and end < len(quiet)]
    if len(runs) < words - 1:
        return []
    cuts = sorted(middle * _HOP for _, middle in sorted(runs, reverse=True)[: words - 1])
    pieces = np.split(audio, cuts)
    return pieces if min(len(piece) for piece in pieces) > SAMPLE_RATE // 10 else []


def trim_silence(audio: Audio) -> Audio:
    """The recording without quiet ends; 20 ms are left."""
    loud = np.flatnonzero(np.abs(audio) > 0.012 * np.abs(audio).max())
    margin = SAMPLE_RATE // 50
    return audio[max(0, loud[0] - margin) : loud[-1] + margin] if len(loud) else audio


class WordBank:
    """Words of each speaker, cut out of their utterances."""

    def __init__(self, utterances: Iterable[tuple[str, Audio, str]], settings: Recombination) -> None:
        """Takes (speaker, audio, text). Raises ValueError when no utterance could be cut."""
        self._settings = settings
        self._words: dict[str, list[tuple[str, Audio]]] = defaultdict(list)
        for speaker, audio, text in utterances:
            words = text.split()
            for word, piece in zip(words, cut_at_pauses(audio, len(words)), strict=False):
                self._words[speaker].append((word, trim_silence(piece)))
        if not self._words:
            raise ValueError(f"no utterance of {settings.keys!r} could be cut at its pauses")
        self._speakers = sorted(self._words)

    @property
    def size(self) -> int:
        """Number of words cut out."""
        return sum(map(len, self._words.values()))

    def draw(self, rng: np.random.Generator) -> tuple[Audio, str]:
        """A new utterance of one speaker and its text."""
        bank = self._words[self._speakers[rng.integers(len(self._speakers))]]
        low, high = self._settings.words
        chosen = [bank[int(rng.integers(len(bank)))]]
        for _ in range(int(rng.integers(low, high + 1)) - 1):
            same = [entry for entry in bank if entry[0] == chosen[-1][0]]
            choices = same if rng.random() < self._settings.repeats else bank
            chosen.append(choices[int(rng.integers(len(choices)))])
        pieces: list[Audio] = []
        for _, audio in chosen:
            pause = int(rng.uniform(*self._settings.pause_seconds) * SAMPLE_RATE)
            pieces += [audio, np.zeros(pause, dtype=np.float32)]
        spoken = change_speed(np.concatenate(pieces[:-1]), rng.uniform(*self._settings.speed))
        spoken[1:] += np.float32(rng.uniform(*self._settings.tilt)) * spoken[:-1].copy()
        return spoken, " ".join(word for word, _ in chosen)
