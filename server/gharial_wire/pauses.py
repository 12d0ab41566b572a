"""Where a speaker pauses, as far as answers tell: told to who asks for it, while the stream goes on."""

PAUSE = "pause"


class PauseFinder:
    """Says once after each utterance that nothing has been said since."""

    def __init__(self, seconds: float) -> None:
        """seconds: without a new word, after which an utterance is over."""
        self._seconds = seconds
        self._heard_until: float | None = None
        self._partial = ""

    def is_over(self, end: float, is_provisional: bool, transcript: str) -> bool:
        """Takes one answer: the time at which its interval ends, in seconds, and its best transcript."""
        if is_provisional:
            is_new = transcript != self._partial and bool(transcript.strip())
            self._partial = transcript
        else:
            # What a final settles was in a partial before, and is new only where there are no partials.
            is_new = bool(transcript.strip()) and transcript not in self._partial
            self._partial = self._partial.removeprefix(transcript)
        if is_new:
            self._heard_until = end
        elif self._heard_until is not None and end - self._heard_until > self._seconds - _ROUNDING:
            self._heard_until = None
            return True
        return False


# Times are sums of frames of 60 ms.
_ROUNDING = 1e-6
