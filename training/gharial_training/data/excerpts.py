"""Single words cut out of flowing speech, by forced alignment with pocketsphinx and its own English model.

The alignment needs no model of ours, so that words can be had before there is one.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from pocketsphinx import Decoder

from gharial_training.data.augment import Audio
from gharial_training.data.corpus import Corpus
from gharial_training.data.shards import SAMPLE_RATE

FRAME_SECONDS = 0.01
MARGIN_SECONDS = 0.03
SHORTEST_SECONDS, LONGEST_SECONDS = 0.16, 0.9


@dataclass(frozen=True)
class Span:
    """A word and its place, in seconds."""

    word: str
    start: float
    end: float


class Aligner:
    """Finds where the words of a known text lie."""

    def __init__(self) -> None:
        self._decoder = Decoder(loglevel="FATAL", lm=None)

    def align(self, audio: Audio, text: str) -> list[Span]:
        """The words with their places; nothing when a word is not in its dictionary or the text does not fit."""
        decoder = self._decoder
        if any(decoder.lookup_word(word) is None for word in text.split()):
            return []
        decoder.set_align_text(text)
        pcm = (np.clip(audio, -1, 0.9999) * 32768).astype("<i2")
        decoder.start_utt()
        decoder.process_raw(pcm.tobytes(), full_utt=True)
        decoder.end_utt()
        return [
            Span(
                segment.word.split("(")[0], segment.start_frame * FRAME_SECONDS, (segment.end_frame + 1) * FRAME_SECONDS
            )
            for segment in decoder.seg() or ()
            if not segment.word.startswith(("<", "["))
        ]


def excerpts(corpus: Corpus, words: Collection[str], keys: str, most: int) -> Iterator[tuple[str, Audio, str]]:
    """Each such word in the utterances whose key matches, at most `most` of a word: (key, audio, text)."""
    aligner, found = Aligner(), Counter[str]()
    for utterance in corpus.matching(keys):
        wanted = [word for word in utterance.text.split() if word in words and found[word] < most]
        if not wanted:
            continue
        audio = corpus.audio(utterance)
        for number, span in enumerate(aligner.align(audio, utterance.text)):
            if span.word not in wanted or not SHORTEST_SECONDS <= span.end - span.start <= LONGEST_SECONDS:
                continue
            first = max(0, int((span.start - MARGIN_SECONDS) * SAMPLE_RATE))
            last = int((span.end + MARGIN_SECONDS) * SAMPLE_RATE)
            found[span.word] += 1
            yield f"cut-{utterance.key}-{number}", audio[first:last], span.word
