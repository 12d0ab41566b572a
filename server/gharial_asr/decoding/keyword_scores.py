"""Keywords as beam search sees them: one more judge of tokens, beside the n-gram.

Shapes: R tokens to judge, M numbers of context; `...` any. The last two of a context are the hypothesis's slot and its
state in the slot's keywords; those before them are the n-gram's.
"""

import torch
from torch import Tensor

from gharial_asr.decoding.boosting import Booster
from gharial_asr.decoding.ngram import NgramScorer


class KeywordScorer:
    """Implements `gharial_asr.decoding.beam.search.LanguageModel`. Whatever a phrase was granted and then given up is
    taken back, so that a finished hypothesis has earned what its text says."""

    def __init__(self, booster: Booster, ngram: NgramScorer | None) -> None:
        """booster: the keywords of all slots. ngram: the n-gram beside them."""
        self._booster = booster
        self._ngram = ngram
        self.start: tuple[int, ...] = self.start_of(0)

    def start_of(self, slot: int) -> tuple[int, ...]:
        return (*(self._ngram.start if self._ngram else ()), slot, 0)

    def scores(self, context_RM: Tensor, tokens_R: Tensor) -> Tensor:
        scores_R = torch.zeros(len(tokens_R), dtype=torch.float64)
        if self._ngram is not None:
            scores_R += self._ngram.scores(context_RM[:, :-2], tokens_R)
        if not self._booster.idle:
            scores_R += self._booster.gains(context_RM[:, -2], context_RM[:, -1], tokens_R)
        return scores_R

    def next(self, context: Tensor, tokens: Tensor) -> Tensor:
        words, keyword = context[..., :-2], context[..., -2:]
        if self._ngram is not None:
            words = self._ngram.next(words, tokens)
        if not self._booster.idle:
            slots, states = keyword.unbind(-1)
            after = self._booster.next(slots.flatten(), states.flatten(), tokens.flatten()).view_as(states)
            keyword = torch.stack((slots, after), -1)
        return torch.cat((words, keyword), -1)
