"""Word error rates of the evaluation sets while a model is trained; the work is shared by all workers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from gharial_asr.features import Features
from gharial_asr.tokenizer import Tokenizer
from torch import Tensor, distributed
from torch.nn.utils.rnn import pad_sequence

from gharial_training.data.augment import to_tensor
from gharial_training.data.corpus import Corpus, Utterance
from gharial_training.fitting.objective import Trainee
from gharial_training.fitting.recipe import EvaluationSet
from gharial_training.validation.greedy import ctc_greedy_decode, greedy_decode
from gharial_training.validation.wer import total_errors

_BATCH = 16


@dataclass(frozen=True)
class Rates:
    """Word error rates by set; choosing is the mean over the sets that choose, example one reference and hypothesis."""

    by_set: dict[str, float]
    choosing: float
    example: str


class Evaluator:
    """Measures a model on the recipe's evaluation sets."""

    def __init__(
        self,
        sets: Sequence[EvaluationSet],
        corpora: Mapping[str, Corpus],
        features: Features,
        tokenizer: Tokenizer,
    ) -> None:
        """Raises ValueError when a set is empty."""
        self._features, self._tokenizer = features, tokenizer
        self._sets: dict[str, tuple[Corpus, list[Utterance]]] = {}
        for wanted in sets:
            if not wanted.choose:
                continue
            corpus = corpora[wanted.corpus]
            utterances = sorted(corpus.matching(wanted.keys), key=lambda u: u.length)
            if not utterances:
                raise ValueError(f"evaluation set {wanted.name}: no key of {wanted.corpus} matches {wanted.keys!r}")
            self._sets[wanted.name] = (corpus, utterances)

    def measure(self, model: Trainee, encoder_only: bool, rank: int, workers: int) -> Rates:
        """Greedy decoding, by the CTC head while only the encoder learns. Every worker gets the same rates."""
        rates, example = {}, ""
        for name, (corpus, utterances) in self._sets.items():
            pairs = self._decode(model, corpus, utterances[rank::workers], encoder_only)
            counts = total_errors(pairs)
            sums = torch.tensor([counts.errors, counts.reference_words], dtype=torch.float64)
            distributed.all_reduce(sums)
            rates[name] = round(float(sums[0] / sums[1]), 4)
            example += " | ".join(pairs[len(pairs) // 2]) + "\n"
        return Rates(rates, sum(rates.values()) / len(rates) if rates else math.inf, example)

    @torch.no_grad()
    def _decode(
        self, model: Trainee, corpus: Corpus, utterances: Sequence[Utterance], encoder_only: bool
    ) -> list[tuple[str, str]]:
        pairs = []
        stack = model.rnnt.encoder.stack_time
        for first in range(0, len(utterances), _BATCH):
            part = utterances[first : first + _BATCH]
            inputs = [self._features(to_tensor(corpus.audio(u)))[0] for u in part]
            steps_B = torch.tensor([len(x) // stack for x in inputs])
            labels = self._labels(model, pad_sequence(inputs, batch_first=True), steps_B, encoder_only)
            pairs += [(u.text, self._tokenizer.decode(ids)) for u, ids in zip(part, labels, strict=True)]
        return pairs

    def _labels(self, model: Trainee, inputs_BSF: Tensor, steps_B: Tensor, encoder_only: bool) -> list[list[int]]:
        if not encoder_only:
            return greedy_decode(model.rnnt, inputs_BSF, steps_B)
        encoder = model.rnnt.encoder
        f_BTE, _ = encoder(inputs_BSF, encoder.zero_state(len(steps_B)))
        return ctc_greedy_decode(model.ctc(f_BTE), steps_B, model.rnnt.config.blank)
