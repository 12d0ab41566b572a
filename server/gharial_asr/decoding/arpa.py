"""n-grams in the ARPA format, as numbers (D. Jurafsky's and SRILM's description of it; KenLM reads the same).

A line is a logarithm to the base 10, the words, and where longer n-grams begin with these the logarithm of the weight
for backing off.
"""

from collections.abc import Iterator
from dataclasses import dataclass

UNKNOWN = ("<unk>", "<UNK>")
START = "<s>"
NEVER = -100.0
"""The logarithm of an unknown word's probability where the n-gram says none, as in KenLM."""


class ArpaError(ValueError):
    """Not an ARPA file, or a broken one. The message names the place."""


@dataclass(frozen=True)
class Line:
    """One n-gram: its words, and both logarithms to the base 10; backoff 0 where it has none."""

    words: tuple[str, ...]
    logarithm: float
    backoff: float


def is_arpa(data: bytes) -> bool:
    """Whether bytes look like an ARPA file."""
    return data.lstrip()[:6] == b"\\data\\"


def lines(data: bytes) -> Iterator[Line]:
    """The n-grams of an ARPA file, short ones first. Raises ArpaError."""
    order = 0
    for number, line in enumerate(data.decode(errors="replace").split("\n"), 1):
        if line.startswith("\\"):
            order = _section(line.strip(), order)
        elif order and line.strip():
            yield _ngram(line, order, number)


def _section(title: str, before: int) -> int:
    """The order of the n-grams that follow a title; 0 for none."""
    if not title.endswith("-grams:"):
        return 0
    if title != f"\\{before + 1}-grams:":
        raise ArpaError(f"the n-gram's section {title} does not follow that of order {before}; count it again")
    return before + 1


def _ngram(line: str, order: int, number: int) -> Line:
    parts = line.split()
    try:
        if len(parts) not in (order + 1, order + 2):
            raise ValueError("another number of words")
        backoff = float(parts[order + 1]) if len(parts) == order + 2 else 0.0
        return Line(tuple(parts[1 : order + 1]), float(parts[0]), backoff)
    except ValueError as error:
        raise ArpaError(f"line {number} of the n-gram is no {order}-gram ({error}); count it again") from error
