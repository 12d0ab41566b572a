"""From tokens with their frames to text, words with times, and confidence.

Confidence (docs/reference/confidence.md): a token's is its softmax probability when it won; that of a word or of an
interval is the geometric mean over its tokens, so that it does not fall with length; without tokens it is 1.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gharial_wire.answers import Word

from gharial_asr.emissions import Tokens
from gharial_asr.endpointing import EOS_PIECE

# A probability is never taken for less than this, so that its logarithm exists.
SMALLEST_PROBABILITY = 1e-30


@dataclass
class _OpenWord:
    start_frame: int
    last_frame: int
    text: str = ""
    probabilities: list[float] = field(default_factory=list)


def confidence(probabilities: Iterable[float]) -> float:
    """Geometric mean of probabilities; 1 for none."""
    logs = [math.log(max(p, SMALLEST_PROBABILITY)) for p in probabilities]
    return min(1.0, math.exp(sum(logs) / len(logs))) if logs else 1.0


class WordBuilder:
    """Collects the tokens of one stream into words. A word ends where the next begins, or with the stream."""

    def __init__(self, pieces: Sequence[str], frame_seconds: float) -> None:
        """pieces: the text of each token; the first of a word starts with a space."""
        self._pieces = pieces
        self._frame_seconds = frame_seconds
        self._open: _OpenWord | None = None

    def add(self, run: Tokens) -> tuple[str, list[Word]]:
        """The text that further tokens add, and the words that ended by them. The end of an utterance is in no word."""
        ended: list[Word] = []
        texts = [self._pieces[token] for token in run.tokens]
        for text, frame, probability in zip(texts, run.frames, run.probabilities, strict=True):
            if text.startswith(" ") or text == EOS_PIECE:
                ended += self.finish()
            if text == EOS_PIECE:
                continue
            if self._open is None:
                self._open = _OpenWord(frame, frame)
            self._open.text += text
            self._open.last_frame = frame
            self._open.probabilities.append(probability)
        return "".join(texts), ended

    def text(self, run: Tokens) -> str:
        """The text that tokens would add."""
        return "".join(self._pieces[token] for token in run.tokens)

    def finish(self) -> list[Word]:
        """The word that is still open, if any."""
        word, self._open = self._open, None
        if word is None or not word.text.strip(" "):
            return []
        return [
            Word(
                text=word.text.strip(" "),
                start=word.start_frame * self._frame_seconds,
                end=(word.last_frame + 1) * self._frame_seconds,
                confidence=confidence(word.probabilities),
            )
        ]
