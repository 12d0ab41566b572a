"""How far two arithmetics of the same model are apart on the same utterances."""

from collections.abc import Sequence
from dataclasses import dataclass

from gharial_training.scoring.measure import SetReport
from gharial_training.scoring.text import normalise_for_scoring
from gharial_training.scoring.wer import total_errors


@dataclass(frozen=True)
class PrecisionGap:
    """One set in int8 beside float32.

    wer_difference: int8's word error rate less float32's, None for a set without reference words. changed: utterances
    whose normalised transcripts differ. word_changes: the edits from float32's words to int8's, as a share of float32's
    words; it counts also where both are wrong, so it is never under the difference of the error rates by much.
    """

    name: str
    utterances: int
    wer_difference: float | None
    changed: int
    word_changes: float

    def row(self) -> dict[str, object]:
        """The figures, for JSON."""
        difference = None if self.wer_difference is None else round(self.wer_difference, 5)
        return {
            "set": self.name,
            "utterances": self.utterances,
            "wer_difference": difference,
            "changed": self.changed,
            "word_changes": round(self.word_changes, 5),
        }


def precision_gap(int8: SetReport, float32: SetReport) -> PrecisionGap:
    """Compares reports of one set."""
    heard = [
        (normalise_for_scoring(exact), normalise_for_scoring(rounded))
        for (_, _, exact), (_, _, rounded) in zip(float32.pairs, int8.pairs, strict=True)
    ]
    changes = total_errors(heard)
    words = float32.errors.reference_words
    return PrecisionGap(
        name=int8.name,
        utterances=len(heard),
        wer_difference=int8.errors.rate - float32.errors.rate if words else None,
        changed=sum(exact != rounded for exact, rounded in heard),
        word_changes=changes.errors / max(1, changes.reference_words),
    )


def gap_lines(gaps: Sequence[PrecisionGap]) -> list[str]:
    """A table."""
    lines = [f"{'int8 less float32':<24}{'utterances':>12}{'WER':>9}{'changed':>9}{'of words':>10}"]
    for gap in gaps:
        difference = "no words" if gap.wer_difference is None else f"{gap.wer_difference:+.2%}"
        lines.append(f"{gap.name:<24}{gap.utterances:>12}{difference:>9}{gap.changed:>9}{gap.word_changes:>10.2%}")
    return lines
