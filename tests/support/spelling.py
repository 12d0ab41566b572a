"""Every way to write a text in some pieces."""

from collections.abc import Sequence


class Spelt:
    """Implements `gharial_asr.decoding.keyword_automaton.Spelling` for any pieces."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = tuple(pieces)

    def spellings(self, text: str) -> list[tuple[int, ...]]:
        return self._ways(" " + text)

    def _ways(self, text: str) -> list[tuple[int, ...]]:
        if not text:
            return [()]
        starts = [token for token, piece in enumerate(self.pieces) if piece and text.startswith(piece)]
        return [(token, *rest) for token in starts for rest in self._ways(text[len(self.pieces[token]) :])]
