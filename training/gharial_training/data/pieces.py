"""Training of the SentencePiece tokenizer: unigram, every character covered, unknown at 0, no sentence marks."""

import io
from collections.abc import Iterable

import sentencepiece


def train_tokenizer(lines: Iterable[str], pieces: int) -> bytes:
    """The bytes of a tokenizer with exactly `pieces` pieces. Raises ValueError when the text is too small for them."""
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            vocab_size=pieces,
            model_type="unigram",
            character_coverage=1.0,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ValueError(f"no tokenizer of {pieces} pieces from this text ({error}); ask for fewer pieces") from error
    return model.getvalue()
