"""Word error rates of a finished model on sets of utterances, by the runner that serves streams."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from gharial_asr.building import build_runner
from gharial_asr.compilation import CompiledModel
from gharial_asr.offline import transcribe
from gharial_asr.recognition import PLAIN, Recognition

from gharial_training.data.corpus import Corpus, Utterance
from gharial_training.scoring.text import normalise_for_scoring
from gharial_training.scoring.wer import WordErrors, total_errors


@dataclass(frozen=True)
class SetReport:
    """One set's result. pairs are (key, reference, hypothesis), not normalised, in the corpus' order; all of them once
    for each hearing."""

    name: str
    errors: WordErrors
    seconds: float
    pairs: tuple[tuple[str, str, str], ...]

    def row(self) -> dict[str, object]:
        """The figures, for JSON and tables; wer is None for a set without reference words."""
        errors = self.errors
        return {
            "set": self.name,
            "utterances": len(self.pairs),
            "hours": round(self.seconds / 3600, 3),
            "words": errors.reference_words,
            "wer": round(errors.rate, 4) if errors.reference_words else None,
            "substitutions": errors.substitutions,
            "deletions": errors.deletions,
            "insertions": errors.insertions,
        }


def decode_utterances(
    model: CompiledModel,
    corpus: Corpus,
    utterances: Sequence[Utterance],
    together: int,
    progress: Callable[[float], None] = lambda seconds: None,
    recognition: Recognition = PLAIN,
    delay: float = 0.0,
) -> list[str]:
    """The transcripts, in the order given; `together` utterances of like length are decoded side by side.

    delay: silence before each, as a part of the decoder's step.
    """
    order = sorted(range(len(utterances)), key=lambda index: utterances[index].length)
    runner = build_runner(model, max(1, min(together, len(order))), recognition)
    silence = np.zeros(round(delay * runner.step_samples), np.float32)
    recordings = (np.concatenate((silence, corpus.audio(utterances[index]))) for index in order)
    heard = [""] * len(order)
    for place, result in transcribe(runner, model, recordings, progress):
        heard[order[place]] = result.transcript
    return heard


def measure_set(
    name: str,
    model: CompiledModel,
    corpus: Corpus,
    utterances: Sequence[Utterance],
    together: int = 16,
    progress: Callable[[float], None] = lambda seconds: None,
    recognition: Recognition = PLAIN,
    hearings: int = 1,
) -> SetReport:
    """Decodes the utterances and counts word errors, all hearings together. Raises ValueError for an empty set.

    hearings: how often each is decoded, each time after a little more silence, under one step of the decoder in all. To
    a model that is unsure these are different sounds, so that chance counts less.
    """
    if not utterances:
        raise ValueError(f"set {name} has no utterance; check its keys and its corpus")
    if hearings < 1:
        raise ValueError(f"{hearings} hearings of set {name}; ask for 1 or more")
    heard = [
        decode_utterances(model, corpus, utterances, together, progress, recognition, hearing / hearings)
        for hearing in range(hearings)
    ]
    pairs = tuple((u.key, u.text, text) for texts in heard for u, text in zip(utterances, texts, strict=True))
    errors = total_errors((normalise_for_scoring(said), normalise_for_scoring(text)) for _, said, text in pairs)
    return SetReport(name, errors, sum(u.seconds for u in utterances), pairs)


def pooled(reports: Sequence[SetReport]) -> SetReport:
    """Several sets as one, named all."""
    pairs = tuple((f"{r.name} {key}", said, heard) for r in reports for key, said, heard in r.pairs)
    return SetReport("all", sum((r.errors for r in reports), WordErrors()), sum(r.seconds for r in reports), pairs)


def most_wrong(report: SetReport, count: int) -> list[tuple[str, str, str]]:
    """The utterances with the highest word error rates."""

    def rate(pair: tuple[str, str, str]) -> float:
        counted = total_errors([(normalise_for_scoring(pair[1]), normalise_for_scoring(pair[2]))])
        return counted.errors / max(1, counted.reference_words)

    return list(itertools.islice(sorted(report.pairs, key=rate, reverse=True), count))
