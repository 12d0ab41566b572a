"""What one speaker says: the recordings, round and round, from a random place."""

from collections.abc import Sequence
from random import Random

from gharial_wire.audio import SAMPLE_BYTES


class Speech:
    """Cuts the recordings into messages; copies nothing but the message."""

    __slots__ = ("_at", "_index", "_recordings")

    def __init__(self, recordings: Sequence[bytes], random: Random) -> None:
        self._recordings = recordings
        self._index = random.randrange(len(recordings))
        self._at = random.randrange(len(recordings[self._index]) // SAMPLE_BYTES) * SAMPLE_BYTES

    def take(self, size: int, ending: bool) -> tuple[bytes, bool]:
        """The next `size` bytes, and whether the stream ends with them.

        Where `ending`, that is at the end of a recording, whose last message may be shorter; otherwise the next
        recording follows without a gap.
        """
        recording = self._recordings[self._index]
        message = recording[self._at : self._at + size]
        self._at += size
        if self._at < len(recording):
            return message, False
        self._index, self._at = (self._index + 1) % len(self._recordings), 0
        if ending or len(message) == size:
            return message, ending
        rest, ends = self.take(size - len(message), ending)
        return message + rest, ends
