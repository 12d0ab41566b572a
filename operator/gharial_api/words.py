"""Small parts of sentences."""

from collections.abc import Iterable

#: More names than this are counted, not named.
NAMED = 5


def count(number: int, noun: str) -> str:
    """`1 card`, `2 cards`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def names(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c, d, e and 3 more`."""
    listed = list(words)
    if len(listed) > NAMED:
        return f"{', '.join(listed[:NAMED])} and {len(listed) - NAMED} more"
    if len(listed) < 2:
        return "".join(listed)
    return f"{', '.join(listed[:-1])} and {listed[-1]}"


def selector(labels: dict[str, str]) -> str:
    """Labels as kubectl's -l takes them."""
    return ",".join(f"{key}={value}" for key, value in labels.items())
