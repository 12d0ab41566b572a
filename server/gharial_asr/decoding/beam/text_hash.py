"""A number for a text that depends on its characters alone, not on how tokens divide them.

A polynomial in an odd 64-bit base over the text's UTF-8 bytes, modulo 2^64 (M. O. Rabin and R. M. Karp, 1987). A token
appends its bytes, which is one product and one sum: hash * multiply[token] + add[token].
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_BASE = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


class TextHash:
    """Tables of what each token does to a text's hash; the empty text's is 0."""

    def __init__(self, pieces: Sequence[str], device: torch.device | None = None) -> None:
        """device: where texts are; this processor without one."""
        pairs = [tuple(map(_signed, _multiply_add(piece))) for piece in pieces]
        multiply_K, add_K = torch.tensor(pairs, dtype=torch.long).view(-1, 2).t()
        self._multiply_K: Tensor = multiply_K.contiguous().to(device)
        self._add_K: Tensor = add_K.contiguous().to(device)

    def append(self, texts: Tensor, tokens: Tensor) -> Tensor:
        """Hashes of texts with a token more each; both int64 and of one shape."""
        return texts * self._multiply_K[tokens] + self._add_K[tokens]


def _multiply_add(piece: str) -> tuple[int, int]:
    multiply, add = 1, 0
    for byte in piece.encode():
        multiply = multiply * _BASE & _MASK
        add = (add * _BASE + byte + 1) & _MASK
    return multiply, add


def _signed(number: int) -> int:
    """The same 64 bits as torch holds them."""
    return number - (1 << 64) if number >> 63 else number
