"""SentencePiece as the recogniser uses it: text to piece ids and back."""

from collections.abc import Sequence
from functools import cached_property

import sentencepiece

WORD_START = "\u2581"


class Tokenizer:
    """A SentencePiece model held as the bytes that a checkpoint carries."""

    def __init__(self, model: bytes) -> None:
        """Raises ValueError when the bytes are no SentencePiece model."""
        self.model = model
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise ValueError(
                "the tokenizer is no SentencePiece model; give the .model file that spm_train wrote"
            ) from error

    @property
    def size(self) -> int:
        """Number of pieces, without the blank."""
        return int(self._processor.get_piece_size())

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """The text of each piece as it is appended to a transcript: the first piece of a word starts with a space."""
        unknown = self._processor.unk_id()
        texts = (self._processor.id_to_piece(i).replace(WORD_START, " ") for i in range(self.size))
        return tuple("" if i == unknown else text for i, text in enumerate(texts))

    def encode(self, text: str) -> list[int]:
        """Piece ids of a normalised text."""
        return list(self._processor.encode(text))

    def spellings(self, text: str, most: int = 8) -> list[tuple[int, ...]]:
        """The likeliest ways to write a text in pieces, the best first. Raises ValueError for unknown characters."""
        best = tuple(self.encode(text))
        if not best or self._processor.unk_id() in best:
            raise ValueError(f"the model cannot write {text!r}; spell it as transcripts are spelt")
        try:
            others = self._processor.nbest_encode_as_ids(text, most)
        except RuntimeError:  # only unigram models know more than one way
            others = []
        return list(dict.fromkeys((best, *map(tuple, others))))

    def sample(self, text: str, alpha: float = 0.1) -> list[int]:
        """Piece ids of one segmentation drawn at random (subword regularisation; T. Kudo, 2018)."""
        return list(self._processor.encode(text, enable_sampling=True, alpha=alpha, nbest_size=-1))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of piece ids, without the leading space."""
        return "".join(self.pieces[i] for i in ids).lstrip(" ")
