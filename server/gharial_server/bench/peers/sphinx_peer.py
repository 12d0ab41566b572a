"""pocketsphinx with the English model that its package brings, on the same audio in frames of 60 ms."""

import numpy as np
import pocketsphinx
from numpy.typing import NDArray

FRAME_SAMPLES = 960


class SphinxStream:
    """One stream. It asks for the words after every frame, as a live caption does."""

    def __init__(self) -> None:
        self._decoder = pocketsphinx.Decoder(samprate=16000, loglevel="FATAL")
        self._decoder.start_utt()

    def push(self, samples: NDArray[np.float32]) -> str:
        """The words of the utterance so far after further samples (n,) in [-1, 1]."""
        self._decoder.process_raw((samples * 32767).astype(np.int16).tobytes(), False, False)
        best = self._decoder.hyp()
        return best.hypstr if best else ""

    def finish(self) -> str:
        """Ends the utterance and begins another; returns the words of the one that ended."""
        self._decoder.end_utt()
        best = self._decoder.hyp()
        self._decoder.start_utt()
        return best.hypstr if best else ""
