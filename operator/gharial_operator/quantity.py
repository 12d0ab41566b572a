"""Kubernetes quantities as numbers."""

from decimal import Decimal, InvalidOperation

_SUFFIXES: dict[str, Decimal] = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
}


def parse_quantity(text: str | int | float) -> Decimal:
    """A quantity as a number: "500m" is 0.5, "4Gi" is 4294967296.

    Raises:
        ValueError: not a quantity.
    """
    word = str(text)
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if word.endswith(suffix):
            return _number(word[: -len(suffix)], word) * _SUFFIXES[suffix]
    return _number(word, word)


def _number(digits: str, whole: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation as error:
        raise ValueError(f"{whole!r} is not a quantity; write a number such as 2, 500m or 4Gi") from error


def whole_cores(text: str) -> int:
    """Cores of a quantity, rounded down but at least 1."""
    return max(1, int(parse_quantity(text)))


def of_total(value: int | str, total: int) -> int:
    """A number, or a percentage of a total rounded down."""
    if isinstance(value, int):
        return value
    return int(value.rstrip("%")) * total // 100
