"""How far two arithmetics of the same model are apart on the same utterances."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gharial_training.scoring.measure import SetReport
from gharial_training.scoring.text import normalise_for_scoring
from gharial_training.scoring.wer import count_errors, total_errors

# Sets of utterances drawn for an interval.
_DRAWS = 2000


@dataclass(frozen=True)
class PrecisionGap:
    """One set in int8 beside float32.

    wer_difference: int8's word error rate less float32's, None for a set without reference words. interval: where that
    difference lies in 95 of 100 sets of as many utterances, drawn from these with repetition (paired bootstrap; M.
    Bisani and H. Ney, 2004); one that holds 0 cannot tell the two apart. changed: utterances whose normalised
    transcripts differ. word_changes: the edits from float32's words to int8's, as a share of float32's words; it counts
    also where both are wrong, so it is never under the difference of the error rates by much.
    """

    name: str
    utterances: int
    wer_difference: float | None
    interval: tuple[float, float] | None
    changed: int
    word_changes: float

    def row(self) -> dict[str, object]:
        """The figures, for JSON."""
        difference = None if self.wer_difference is None else round(self.wer_difference, 5)
        interval = None if self.interval is None else [round(end, 5) for end in self.interval]
        return {
            "set": self.name,
            "utterances": self.utterances,
            "wer_difference": difference,
            "interval_95": interval,
            "changed": self.changed,
            "word_changes": round(self.word_changes, 5),
        }


def precision_gap(int8: SetReport, float32: SetReport) -> PrecisionGap:
    """Compares reports of one set."""
    heard = [
        (key, normalise_for_scoring(said), normalise_for_scoring(exact), normalise_for_scoring(rounded))
        for (key, said, exact), (_, _, rounded) in zip(float32.pairs, int8.pairs, strict=True)
    ]
    changes = total_errors((exact, rounded) for _, _, exact, rounded in heard)
    words = float32.errors.reference_words
    return PrecisionGap(
        name=int8.name,
        utterances=len(heard),
        wer_difference=int8.errors.rate - float32.errors.rate if words else None,
        interval=_interval(heard) if words else None,
        changed=sum(exact != rounded for _, _, exact, rounded in heard),
        word_changes=changes.errors / max(1, changes.reference_words),
    )


def _interval(heard: Sequence[tuple[str, str, str, str]]) -> tuple[float, float]:
    """Of (key, reference, float32, int8); all hearings of a key are drawn together."""
    more_errors: dict[str, int] = {}
    words: dict[str, int] = {}
    for key, said, exact, rounded in heard:
        reference = said.split()
        more = count_errors(reference, rounded.split()).errors - count_errors(reference, exact.split()).errors
        more_errors[key] = more_errors.get(key, 0) + more
        words[key] = words.get(key, 0) + len(reference)
    count = len(words)
    times_DU = np.random.default_rng(1).multinomial(count, np.full(count, 1 / count), _DRAWS)
    totals_D = times_DU @ np.array(list(words.values()))
    rates_D = (times_DU @ np.array(list(more_errors.values()))) / np.maximum(1, totals_D)
    low, high = np.quantile(rates_D, (0.025, 0.975))
    return float(low), float(high)


def gap_lines(gaps: Sequence[PrecisionGap]) -> list[str]:
    """A table."""
    header = f"{'utterances':>12}{'WER':>9}{'95 % of sets':>20}{'changed':>9}{'of words':>10}"
    lines = [f"{'int8 less float32':<24}{header}"]
    for gap in gaps:
        difference = "no words" if gap.wer_difference is None else f"{gap.wer_difference:+.2%}"
        interval = "" if gap.interval is None else f"{gap.interval[0]:+.2%} to {gap.interval[1]:+.2%}"
        figures = f"{gap.utterances:>12}{difference:>9}{interval:>20}{gap.changed:>9}{gap.word_changes:>10.2%}"
        lines.append(f"{gap.name:<24}{figures}")
    return lines
