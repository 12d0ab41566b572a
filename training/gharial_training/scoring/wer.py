"""Word error rate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class WordErrors:
    """Counts over one or many utterances; they add up."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference_words: int = 0

    @property
    def errors(self) -> int:
        """All errors."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors by reference word; without reference words there is no rate, and insertions are counted alone: nan."""
        return self.errors / self.reference_words if self.reference_words else float("nan")

    def __add__(self, other: "WordErrors") -> "WordErrors":
        return WordErrors(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.reference_words + other.reference_words,
        )


def count_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> WordErrors:
    """The fewest edits that turn the reference into the hypothesis; of equal ways, the one with most substitutions."""
    row = [(i, 0, 0, i) for i in range(len(hypothesis) + 1)]
    for r, word in enumerate(reference, start=1):
        diagonal, row[0] = row[0], (r, 0, r, 0)
        for h, heard in enumerate(hypothesis, start=1):
            cost, subs, dels, ins = diagonal
            replaced = (cost + (word != heard), subs + (word != heard), dels, ins)
            cost, subs, dels, ins = row[h]
            deleted = (cost + 1, subs, dels + 1, ins)
            cost, subs, dels, ins = row[h - 1]
            inserted = (cost + 1, subs, dels, ins + 1)
            diagonal, row[h] = row[h], min(replaced, deleted, inserted, key=lambda way: way[0])
    _, substitutions, deletions, insertions = row[-1]
    return WordErrors(substitutions, deletions, insertions, len(reference))


def total_errors(pairs: Iterable[tuple[str, str]]) -> WordErrors:
    """Summed errors of (reference, hypothesis) texts, split at spaces."""
    return sum((count_errors(r.split(), h.split()) for r, h in pairs), WordErrors())
