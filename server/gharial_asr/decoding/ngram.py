"""What an n-gram over pieces adds to a hypothesis's score (shallow fusion; CAIMAN-ASR documentation, "N-gram Language
Model").

Shapes: R tokens to judge, M = order - 1 tokens of context; `...` any.

A context is the last tokens as numbers, so contexts are tensors like the rest of a hypothesis. KenLM's binding judges
one token at a time: that loop is here and nowhere else. It runs for candidates only, a few per stream and second of
speech, and repeated questions are answered from memory (0.2 microseconds, against 2.4 when KenLM is asked at order 4).
"""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gharial_asr.checkpoint import Ngram
from gharial_asr.compilation import CompiledModel
from gharial_asr.tokenizer import WORD_START

DEFAULT_SCALE = 0.05
"""Weight of an n-gram that comes without one (CAIMAN-ASR documentation)."""

START = -1
BEFORE_START = -2
REMEMBERED = 1 << 17
"""Answers that are remembered, about 30 MB of them."""


class NgramError(ValueError):
    """An n-gram that cannot be used. The message names the remedy."""


def with_ngram(model: CompiledModel, path: Path) -> CompiledModel:
    """The model with another n-gram: a file, or in a folder `ngram.binary`, else `ngram.arpa`. The weight stays that of
    the model, where it has one. Raises OSError, and NgramError when KenLM cannot read it."""
    scale = DEFAULT_SCALE if model.ngram is None else model.ngram.scale_factor
    ngram = Ngram(_bytes(path), scale)
    NgramScorer(ngram, model.pieces)
    return replace(model, ngram=ngram)


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        found = [file for file in (path / "ngram.binary", path / "ngram.arpa") if file.is_file()]
        if not found:
            raise FileNotFoundError(f"{path} holds neither ngram.binary nor ngram.arpa; lmplz writes the latter")
        path = found[0]
    return path.read_bytes()


class NgramScorer:
    """Implements `gharial_asr.decoding.beam.search.LanguageModel` by KenLM."""

    def __init__(self, ngram: Ngram, pieces: Sequence[str], scale: float | None = None) -> None:
        """pieces: the text of each token. scale None: the n-gram's own. Raises NgramError."""
        self._model = _load(ngram.binary)
        # The n-gram counts pieces as SentencePiece writes them.
        self._symbols = [piece.replace(" ", WORD_START) or "<unk>" for piece in pieces]
        if not any(symbol in self._model for symbol in self._symbols):
            raise NgramError(
                "the n-gram knows none of the tokenizer's pieces; count it on text that this tokenizer has divided"
            )
        self._weight = (ngram.scale_factor if scale is None else scale) * math.log(10)
        order: int = self._model.order
        self.start: tuple[int, ...] = (*[BEFORE_START] * (order - 2), START)
        self._logarithm = lru_cache(REMEMBERED)(self._ask)

    def start_of(self, slot: int) -> tuple[int, ...]:
        return self.start

    def scores(self, context_RM: Tensor, tokens_R: Tensor) -> Tensor:
        pairs = zip(context_RM.tolist(), tokens_R.tolist(), strict=True)
        logarithms = [self._logarithm((*context, token)) for context, token in pairs]
        return torch.tensor(logarithms, dtype=torch.float64) * self._weight

    def next(self, context: Tensor, tokens: Tensor) -> Tensor:
        return torch.cat((context, tokens[..., None]), -1)[..., 1:]

    def _ask(self, tokens: tuple[int, ...]) -> float:
        """log10 of the last token's probability after the others. KenLM's state depends on no more than these."""
        import kenlm

        state, after = kenlm.State(), kenlm.State()
        self._model.NullContextWrite(state)
        logarithm = 0.0
        for token in tokens:
            if token == START:
                self._model.BeginSentenceWrite(state)
            elif token != BEFORE_START:
                logarithm = self._model.BaseScore(state, self._symbols[token], after)
                state, after = after, state
        return logarithm


def _load(binary: bytes) -> Any:
    """KenLM reads files only; it keeps the file mapped, so its name may go."""
    try:
        import kenlm
    except ImportError as error:
        raise NgramError(
            "the model has an n-gram, and KenLM is not installed; pip install camel-kenlm, or leave the n-gram out "
            "with --ngram-scale 0"
        ) from error
    with tempfile.NamedTemporaryFile(prefix="gharial-ngram-") as file:
        file.write(binary)
        file.flush()
        config = kenlm.Config()
        config.show_progress = False
        config.arpa_complain = kenlm.ARPALoadComplain.NONE
        try:
            return kenlm.Model(file.name, config)
        except (OSError, RuntimeError) as error:
            raise NgramError(
                f"KenLM cannot read the n-gram ({error}); make it again with lmplz and build_binary"
            ) from error
