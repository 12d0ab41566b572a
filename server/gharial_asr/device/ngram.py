"""An n-gram as tensors, which answers for many hypotheses at once what KenLM answers one by one.

Shapes: `...` any, E n-grams of all orders, L = order, K tokens.

Words are numbers below 2^16, and a context, the last words, is one 64-bit number of up to four of them, the newest
last; 0 is no word. An n-gram is found by the hash of its context and word among all hashes, in rising order: as many
steps of a binary search whatever is asked.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gharial_asr.checkpoint import Ngram
from gharial_asr.decoding.arpa import NEVER, START, UNKNOWN, ArpaError, Line, is_arpa, lines
from gharial_asr.decoding.ngram import NgramError
from gharial_asr.tokenizer import WORD_START

BITS = 16
MOST_WORDS = (1 << BITS) - 1
LONGEST = 5
Numbers = TypeVar("Numbers", Tensor, NDArray[np.int64])
_WHOLE = (1 << 64) - 1
_ODD = (0x9E3779B97F4A7C15 - (1 << 64), 0xBF58476D1CE4E5B9 - (1 << 64))
"""Odd numbers of 64 bits, as int64 (the golden ratio's; D. Stafford, 2011)."""


class DeviceNgram:
    """Weighted natural logarithms, equal to those of `gharial_asr.decoding.ngram.NgramScorer`. start: the context at a
    sentence's beginning."""

    def __init__(self, ngram: Ngram, pieces: Sequence[str], scale: float | None, device: torch.device) -> None:
        """pieces: the text of each token. scale None: the n-gram's own. Raises NgramError when it is no ARPA file, or a
        larger one than there is room for, and ArpaError when it is broken."""
        if not is_arpa(ngram.binary):
            raise NgramError(
                "the n-gram is a KenLM binary, which the backend cuda cannot take apart; compile the model with the "
                "ARPA file that it was made of (gharial compile --ngram FILE.arpa), leave it out with --ngram-scale 0, "
                "or use --backend cpu"
            )
        listed = list(lines(ngram.binary))
        numbers = {line.words[0]: number for number, line in enumerate(listed, 1) if len(line.words) == 1}
        order = max((len(line.words) for line in listed), default=0)
        if order > LONGEST or len(numbers) >= MOST_WORDS or not order:
            raise NgramError(
                f"the n-gram has order {order} and {len(numbers)} words; the backend cuda takes orders 1 to {LONGEST} "
                f"and fewer than {MOST_WORDS} words; leave it out with --ngram-scale 0, or use --backend cpu"
            )
        self._weight = (ngram.scale_factor if scale is None else scale) * math.log(10)
        unknown = next((numbers[word] for word in UNKNOWN if word in numbers), MOST_WORDS)
        known = [numbers.get(piece.replace(" ", WORD_START) or UNKNOWN[0], unknown) for piece in pieces]
        self.start = numbers.get(START, 0)
        self._kept = _mask(order - 1)
        self._word_K = torch.tensor(known).to(device)
        self._keys_E, self._logarithms_E, self._backoffs_E = (of.to(device) for of in _tables(listed, numbers))
        self._masks_L = torch.tensor([_mask(length) for length in range(order)]).to(device)
        self._lengths_L = torch.arange(order).to(device)

    def scores(self, context: Tensor, tokens: Tensor) -> Tensor:
        """Weighted natural logarithms float64 of tokens after contexts; both are broadcast."""
        at, found = self._find(context[..., None], self._word_K[tokens][..., None])
        longest = (found * self._lengths_L).amax(-1, keepdim=True)
        logarithm = self._logarithms_E[at].where(found, NEVER).gather(-1, longest)
        backoffs = self._backoffs(context).expand(*found.shape[:-1], -1)
        return (logarithm + backoffs.gather(-1, longest)).squeeze(-1) * self._weight

    def next(self, context: Tensor, tokens: Tensor) -> Tensor:
        """The contexts after the tokens."""
        return ((context << BITS) | self._word_K[tokens]) & self._kept

    def _backoffs(self, context: Tensor) -> Tensor:
        """What all contexts add together that have more than so many words (..., L), 0 words first."""
        # A context of one word more than so many is the n-gram of so many words and the newest.
        at, found = self._find((context >> BITS)[..., None], (context & MOST_WORDS)[..., None])
        return self._backoffs_E[at].where(found, 0.0).flip(-1).cumsum(-1).flip(-1)

    def _find(self, context: Tensor, word: Tensor) -> tuple[Tensor, Tensor]:
        """Where the n-grams are that end with the word, (..., L), that without context first; and whether they are."""
        keys = _hash(context & self._masks_L, word, self._lengths_L)
        at = torch.searchsorted(self._keys_E, keys).clamp(max=len(self._keys_E) - 1)
        return at, self._keys_E[at] == keys


def _mask(words: int) -> int:
    """The bits of so many words of a context."""
    return -1 if words * BITS >= 64 else (1 << words * BITS) - 1


def _hash(context: Numbers, word: Numbers, length: Numbers) -> Numbers:
    """length: words of the context, for one that is shorter is another."""
    return (context * _ODD[0] + word) * _ODD[1] + length


def _tables(listed: Sequence[Line], numbers: dict[str, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Hashes in rising order, and both logarithms float64 of each n-gram. Raises ArpaError."""
    if any(word not in numbers for line in listed for word in line.words):
        raise ArpaError("the n-gram has words in long n-grams that have none of their own; count it again")
    words_E = [[numbers[word] for word in line.words] for line in listed]
    keys_E = _hash(
        np.array([_packed(words[:-1]) for words in words_E], np.int64),
        np.array([words[-1] for words in words_E], np.int64),
        np.array([len(words) - 1 for words in words_E], np.int64),
    )
    order_E = keys_E.argsort()
    if len(np.unique(keys_E)) < len(keys_E):
        raise ArpaError("the n-gram holds a sequence of words twice; count it again")
    logarithms_E = np.array([line.logarithm for line in listed])
    backoffs_E = np.array([line.backoff for line in listed])
    return torch.tensor(keys_E[order_E]), torch.tensor(logarithms_E[order_E]), torch.tensor(backoffs_E[order_E])


def _packed(words: Sequence[int]) -> int:
    packed = 0
    for word in words:
        packed = (packed << BITS | word) & _WHOLE
    return packed - (1 << 64) if packed >> 63 else packed
