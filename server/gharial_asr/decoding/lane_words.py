"""What a lane of a stream said, word by word, and the pieces that spell the rest of a word."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from gharial_asr.emissions import NO_TOKENS, Tokens
from gharial_asr.endpointing import EOS_PIECE


@dataclass(frozen=True)
class Heard:
    """A word as one lane said it: its text (after one space, where it begins a word), its tokens, and the encoder
    frames of the first and the last of them."""

    text: str
    run: Tokens

    @property
    def start(self) -> int:
        """Frame of the first token."""
        return self.run.frames[0]

    @property
    def end(self) -> int:
        """Frame of the last token."""
        return self.run.frames[-1]


def joined(before: str, text: str) -> str:
    """A word's text with a further piece. Several spaces before a word are one."""
    whole = before + text
    return " " + whole.lstrip(" ") if whole.startswith(" ") else whole


class Vocabulary:
    """The text of every token, and words made of tokens."""

    def __init__(self, pieces: Sequence[str]) -> None:
        """pieces: the text of each token; the first of a word starts with a space. <EOS> is a word here."""
        self.pieces = tuple(" " + text if text == EOS_PIECE else text for text in pieces)

    @cached_property
    def _inner(self) -> dict[str, int]:
        """The pieces that can go on with a word."""
        return {text: token for token, text in enumerate(self.pieces) if text and not text.startswith(" ")}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._inner), default=0)

    def words(self, run: Tokens) -> list[Heard]:
        """The words of a run. The first may lack its beginning, the last its end."""
        words: list[Heard] = []
        for at, token in enumerate(run.tokens):
            text, one = self.pieces[token], run.part(at, at + 1)
            if words and (not text.startswith(" ") or not words[-1].text.strip(" ")):
                words[-1] = Heard(joined(words[-1].text, text), words[-1].run + one)
            else:
                words.append(Heard(joined("", text), one))
        return [word for word in words if word.text]

    def rest(self, word: Heard, length: int) -> Tokens:
        """The tokens of a word beyond the first `length` characters of its text, respelt where one straddles."""
        text, rest = "", NO_TOKENS
        for at, token in enumerate(word.run.tokens):
            before, text = len(text), joined(text, self.pieces[token])
            one = word.run.part(at, at + 1)
            if before >= length:
                rest += one
            elif len(text) > length:
                rest += self.respelt(one, text[length:])
        return rest

    def respelt(self, one: Tokens, text: str) -> Tokens:
        """Tokens of the fewest pieces that spell text inside a word, with the frame and probability of one token; that
        token itself when no pieces spell it: rather a word twice than a word lost."""
        best: list[tuple[int, ...] | None] = [(), *[None] * len(text)]
        for end in range(1, len(text) + 1):
            for begin in range(max(0, end - self._longest), end):
                start, token = best[begin], self._inner.get(text[begin:end])
                if start is None or token is None:
                    continue
                shorter = best[end]
                if shorter is None or len(start) + 1 < len(shorter):
                    best[end] = (*start, token)
        spelling = best[-1]
        if spelling is None:
            return one
        return Tokens(spelling, one.frames * len(spelling), one.probabilities * len(spelling))
