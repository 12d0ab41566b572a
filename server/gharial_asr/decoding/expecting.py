"""After a seam: words that the old lane has said already are passed over once when the new lane comes to them."""

from dataclasses import dataclass, replace

from gharial_asr.decoding.lane_words import Heard, Vocabulary, joined
from gharial_asr.emissions import NO_TOKENS, Tokens

TOLERANCE = 6
"""Frames (0.36 s) that the two lanes of a stream may be apart in saying the same word."""


@dataclass(frozen=True)
class Expecting:
    """What becomes of the new lane's next tokens. Immutable, so that it can be tried on hypotheses.

    due: the old lane's words that the new one has not said, in order; only the next of them, in time, is passed over.
    cut: the last of them may be the beginning of a longer word.
    said: the text of the new lane's present word as far as it agrees with due[0]; None outside of such a word.
    held: its tokens; they are sent after all when the word turns out to be another.
    began_before: it began before the seam, where the old lane has the say; then it is not sent in any case.
    dropping: the new lane is in a word that is not sent.
    """

    vocabulary: Vocabulary
    due: tuple[Heard, ...] = ()
    cut: bool = False
    said: str | None = None
    held: Tokens = NO_TOKENS
    began_before: bool = False
    dropping: bool = False

    @property
    def over(self) -> bool:
        """Nothing is expected any more: all further tokens are sent."""
        return not self.due and self.said is None and not self.dropping

    def take(self, run: Tokens, frame: int) -> tuple[Tokens, "Expecting"]:
        """What to send of the next tokens of the new lane, and what is expected then. frame: the present one, before
        which no more tokens come."""
        sent, state = NO_TOKENS, self
        for at in range(len(run.tokens)):
            if state.over:
                return sent + run.part(at, len(run.tokens)), state
            more, state = state._token(run.part(at, at + 1))
            sent += more
        return sent, state._at(frame)

    def _token(self, one: Tokens) -> tuple[Tokens, "Expecting"]:
        text = self.vocabulary.pieces[one.tokens[0]]
        in_word = self.said is not None
        if text.startswith(" ") and not (in_word and not (self.said or "").strip(" ")):
            sent, between = self._word_ends()
            more, state = between._word_begins(one, text)
            return sent + more, state
        if in_word:
            return self._word_goes_on(one, text)
        return (NO_TOKENS if self.dropping else one), self

    def _word_ends(self) -> tuple[Tokens, "Expecting"]:
        between = Expecting(self.vocabulary, self.due, self.cut)
        if self.said is None:
            return NO_TOKENS, between
        if self.said == self.due[0].text:
            return NO_TOKENS, replace(between, due=self.due[1:])
        return (NO_TOKENS if self.began_before else self.held), Expecting(self.vocabulary)

    def _word_begins(self, one: Tokens, text: str) -> tuple[Tokens, "Expecting"]:
        first = joined("", text)
        for at, word in enumerate(self.due):
            last_and_cut = self.cut and at == len(self.due) - 1
            agrees = word.text.startswith(first) or (last_and_cut and first.startswith(word.text))
            if agrees and one.frames[0] - word.start <= TOLERANCE:
                return replace(self, due=self.due[at:], said="")._word_goes_on(one, text)
        return one, Expecting(self.vocabulary)

    def _word_goes_on(self, one: Tokens, text: str) -> tuple[Tokens, "Expecting"]:
        before, due = self.said or "", self.due[0].text
        said = joined(before, text)
        if due.startswith(said):
            return NO_TOKENS, replace(self, said=said, held=self.held + one)
        if said.startswith(due) and self.cut and len(self.due) == 1:
            rest = one if len(before) >= len(due) else self.vocabulary.respelt(one, said[len(due) :])
            return rest, Expecting(self.vocabulary)
        if self.began_before:
            return NO_TOKENS, Expecting(self.vocabulary, dropping=True)
        return self.held + one, Expecting(self.vocabulary)

    def _at(self, frame: int) -> "Expecting":
        """Without what is not expected any longer."""
        if self.said is None:
            late = bool(self.due) and frame - self.due[-1].start > TOLERANCE
            return replace(self, due=(), cut=False) if late else self
        if self.said == self.due[0].text and frame - self.due[0].start > 2 * TOLERANCE:
            return Expecting(self.vocabulary)
        return self
