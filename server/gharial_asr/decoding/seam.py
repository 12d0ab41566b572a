"""Where one lane of a stream ends and the next goes on: which tokens of the new lane are sent.

Both lanes heard the overlap. The old lane's tokens have been sent; the new lane's are laid beside them, word by word
and in time, to find how far the old lane came. What the new lane has beyond that is sent: a word that the old lane had
not come to, the rest of a word that it had begun. What the old lane said last and the new lane has not said yet is
expected of the new lane, and passed over once when it comes (`gharial_asr.decoding.expecting`). So a word is never
dropped for being equal to another, only for being the same one. docs/reference/decoding-resets.md has the rule with
examples.
"""

from dataclasses import dataclass

from gharial_asr.decoding.alignment import Alignment, Overlap
from gharial_asr.decoding.expecting import TOLERANCE, Expecting
from gharial_asr.decoding.lane_words import Heard, Vocabulary
from gharial_asr.emissions import NO_TOKENS, Tokens

MOST_WORDS = 48
"""Words of each lane that are laid side by side, the last ones: three seconds of speech hold fewer."""


@dataclass(frozen=True)
class Seam:
    """A seam of one stream. old: what the old lane said since the new one began, at frame `start`; it ended before
    frame `seam`."""

    vocabulary: Vocabulary
    start: int
    seam: int
    old: Tokens

    def join(self, new: Tokens) -> tuple[Tokens, Expecting]:
        """What to send of the tokens of the new lane from before the seam, all given, and what to expect after it."""
        a, b = (self.vocabulary.words(run)[-MOST_WORDS:] for run in (self.old, new))
        overlap = Overlap(a, b, self.start, self.seam)
        found = overlap.align()
        if found.rest_a < len(a):
            return NO_TOKENS, self._expecting(overlap, found)
        begun = NO_TOKENS
        if found.pairs and found.pairs[-1][0] == len(a) - 1 and overlap.agree(*found.pairs[-1]):
            old, new_word = a[-1], b[found.pairs[-1][1]]
            if len(new_word.text) < len(old.text):
                return NO_TOKENS, self._in_word(overlap, (old,), new_word)
            begun = self.vocabulary.rest(new_word, len(old.text))
            if found.pairs[-1][1] == len(b) - 1:
                return self._after_old(begun), Expecting(self.vocabulary)
        ahead = [word for word in b[found.rest_b :] if word.start >= self.seam - TOLERANCE]
        sent = sum((word.run for word in ahead), begun)
        return self._after_old(sent), Expecting(self.vocabulary, dropping=bool(b) and not ahead)

    def _expecting(self, overlap: Overlap, found: Alignment) -> Expecting:
        """The old lane came further: its rest is still to come from the new one."""
        a, b = overlap.a, overlap.b
        due = tuple(word for word in a[found.rest_a :] if word.start >= self.seam - TOLERANCE)
        if found.pairs and found.pairs[-1] == (found.rest_a - 1, len(b) - 1) and overlap.agree(*found.pairs[-1]):
            old = a[found.rest_a - 1]
            if len(b[-1].text) < len(old.text):
                return self._in_word(overlap, (old, *due), b[-1])
        return Expecting(self.vocabulary, due, bool(due) and overlap.may_go_on(a[-1]), dropping=bool(b))

    def _in_word(self, overlap: Overlap, due: tuple[Heard, ...], new: Heard) -> Expecting:
        """The new lane is in the midst of the first word that is due."""
        cut = due[-1] is overlap.a[-1] and overlap.may_go_on(due[-1])
        return Expecting(self.vocabulary, due, cut, said=new.text, began_before=True)

    def _after_old(self, sent: Tokens) -> Tokens:
        """Frames never go back: what the old lane had not come to counts as said after what it said."""
        last = self.old.frames[-1] if self.old.frames else 0
        return Tokens(sent.tokens, tuple(max(frame, last) for frame in sent.frames), sent.probabilities)
