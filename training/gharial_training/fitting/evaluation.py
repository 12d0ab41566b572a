"""Word error rates of the evaluation sets while a model is trained; the work is shared by all workers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from gharial_asr.compilation import CompiledModel
from gharial_asr.features import Features
from gharial_asr.tokenizer import Tokenizer
from torch import Tensor, distributed
from torch.nn.utils.rnn import pad_sequence

from gharial_training.data.augment import to_tensor
from gharial_training.data.corpus import Corpus, Utterance
from gharial_training.fitting.objective import Trainee
from gharial_training.fitting.recipe import EvaluationSet
from gharial_training.scoring.measure import decode_utterances
from gharial_training.scoring.text import normalise_for_scoring
from gharial_training.scoring.wer import total_errors

_BATCH = 16
Pair = tuple[str, str]
Decode = Callable[[Corpus, Sequence[Utterance]], list[str]]


@dataclass(frozen=True)
class Rates:
    """Word error rates by set; choosing is the mean over the sets that choose, examples one utterance of each."""

    by_set: dict[str, float]
    choosing: float
    examples: tuple[Pair, ...]


class Evaluator:
    """Measures on the recipe's sets that choose; test sets are left alone."""

    def __init__(self, sets: Sequence[EvaluationSet], corpora: Mapping[str, Corpus]) -> None:
        """Raises ValueError when a set is empty."""
        self._sets: dict[str, tuple[Corpus, list[Utterance]]] = {}
        for wanted in (one for one in sets if one.choose):
            corpus = corpora[wanted.corpus]
            utterances = sorted(corpus.matching(wanted.keys), key=lambda u: u.length)
            if not utterances:
                raise ValueError(f"evaluation set {wanted.name}: no key of {wanted.corpus} matches {wanted.keys!r}")
            self._sets[wanted.name] = (corpus, utterances)

    def transducer(self, model: CompiledModel, rank: int, workers: int) -> Rates:
        """By the decoder that serves streams. Every worker gets the same rates."""
        return self._rates(lambda corpus, part: decode_utterances(model, corpus, part, _BATCH), rank, workers)

    def encoder(self, model: Trainee, features: Features, tokenizer: Tokenizer, rank: int, workers: int) -> Rates:
        """By the best path of the CTC head, while the transducer has not begun to learn."""

        def decode(corpus: Corpus, utterances: Sequence[Utterance]) -> list[str]:
            texts: list[str] = []
            for first in range(0, len(utterances), _BATCH):
                audio = [to_tensor(corpus.audio(u)) for u in utterances[first : first + _BATCH]]
                texts += [tokenizer.decode(ids) for ids in ctc_labels(model, [features(a)[0] for a in audio])]
            return texts

        return self._rates(decode, rank, workers)

    def _rates(self, decode: Decode, rank: int, workers: int) -> Rates:
        rates: dict[str, float] = {}
        examples: list[Pair] = []
        for name, (corpus, utterances) in self._sets.items():
            mine = utterances[rank::workers]
            pairs = list(zip((u.text for u in mine), decode(corpus, mine), strict=True))
            counts = total_errors((normalise_for_scoring(r), normalise_for_scoring(h)) for r, h in pairs)
            sums = torch.tensor([counts.errors, counts.reference_words], dtype=torch.float64)
            distributed.all_reduce(sums)
            rates[name] = round(float(sums[0] / sums[1]), 4)
            examples += pairs[len(pairs) // 2 :][:1]
        return Rates(rates, sum(rates.values()) / len(rates) if rates else math.inf, tuple(examples))


@torch.no_grad()
def ctc_labels(model: Trainee, inputs: Sequence[Tensor]) -> list[list[int]]:
    """Best path of the CTC head on encoder inputs (S, F) each: repeats merged, blanks dropped."""
    encoder, blank = model.rnnt.encoder, model.rnnt.config.blank
    f_BTE, _ = encoder(pad_sequence(list(inputs), batch_first=True), encoder.zero_state(len(inputs)))
    paths_BT = model.ctc(f_BTE).argmax(-1)
    steps = [len(x) // encoder.stack_time for x in inputs]
    merged = (torch.unique_consecutive(path[:count]) for path, count in zip(paths_BT, steps, strict=True))
    return [[label for label in path.tolist() if label != blank] for path in merged]
