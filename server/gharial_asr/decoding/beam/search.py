"""Beam search of one encoder output of many streams; its rules are in docs/reference/decoding.md.

Shapes: B streams, W hypotheses of each, R of them that go on emitting, K classes, C tokens tried after each, J joint
size, N tokens that a step may emit, M tokens of n-gram context, S slots.

A step goes in rounds. In each, hypotheses either end the frame with a blank or emit a token and go on; those that go on
are the rows of the next round. The prediction network runs for tokens that made it into the beam, once each.
"""

import math
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from gharial_asr.decoding.beam.candidates import Candidates, Chooser
from gharial_asr.decoding.beam.entries import Entries, best_distinct
from gharial_asr.decoding.beam.open_tokens import OpenTokens, SettlingRules
from gharial_asr.decoding.beam.states import BeamStates
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.decoding.settings import DecoderSettings
from gharial_asr.emissions import Emissions
from gharial_asr.inference.network import Network
from gharial_asr.state import Prediction, after_start

MAX_SYMBOLS = 8
"""Tokens that a hypothesis may emit from one encoder output at most."""


def chooser(settings: DecoderSettings) -> Chooser:
    """The rules of choice that settings name."""
    return Chooser(settings.beam_width, settings.temperature, settings.token_threshold, settings.fuzzy)


def settling_rules(settings: DecoderSettings, frame_seconds: float) -> SettlingRules:
    """The rules of settling that settings name."""
    # Seconds are not exact, so nearly a whole number of frames is one.
    return SettlingRules(settings.score_threshold, int(settings.seconds_open / frame_seconds + 1e-6), MAX_SYMBOLS)


class LanguageModel(Protocol):
    """What an n-gram adds to scores."""

    start: tuple[int, ...]
    """The context of a sentence's beginning."""

    def start_of(self, slot: int) -> tuple[int, ...]:
        """The same for the stream of one slot."""

    def scores(self, context_RM: Tensor, tokens_R: Tensor) -> Tensor:
        """Weighted natural log-probabilities float64 (R,) of tokens after contexts."""

    def next(self, context_RM: Tensor, tokens_R: Tensor) -> Tensor:
        """The contexts after the tokens."""


@dataclass(frozen=True)
class _Rows:
    """Hypotheses that go on: streams and columns (R,), and the rows (R,) of their prediction states in a source."""

    stream: Tensor
    column: Tensor
    source: Prediction
    at: Tensor


class BeamDecoder:
    """Implements `gharial_asr.decoding.decoder.Decoder`."""

    def __init__(
        self,
        network: Network,
        slots: int,
        texts: TextHash,
        settings: DecoderSettings,
        frame_seconds: float,
        ngram: LanguageModel | None = None,
    ) -> None:
        width = settings.beam_width
        self._network = network
        self._texts = texts
        self._ngram = ngram
        self._chooser = chooser(settings)
        context = len(ngram.start) if ngram else 0
        tokens = OpenTokens(slots, width, settling_rules(settings, frame_seconds))
        self.states = BeamStates(network.config, after_start(network), slots, width, tokens, context)

    @property
    def bytes_per_slot(self) -> int:
        return self.states.bytes_per_slot

    def open(self, slot: int) -> None:
        self.states.open(slot, self._ngram.start_of(slot) if self._ngram else ())

    def step(self, f_BJ: Tensor, slots_B: Tensor, frames_B: Tensor) -> Emissions:
        ended, made = self._search(f_BJ, slots_B)
        score_BW, emitted = self.states.tokens.add(slots_B, frames_B, ended, len(made))
        places_BW = self._store(slots_B, ended.place, score_BW > -math.inf, made)
        self.states.keep(slots_B, replace(ended, score=score_BW, place=places_BW))
        return emitted

    def _search(self, f_BJ: Tensor, slots_B: Tensor) -> tuple[Entries, list[Prediction]]:
        """The best hypotheses that ended the frame, and the prediction states that each round of tokens made."""
        active = self.states.entries(slots_B, MAX_SYMBOLS)
        ended: Entries | None = None
        made: list[Prediction] = []
        rows = self._living(active, slots_B)
        while True:
            logits_RK = self._network.logits(f_BJ[rows.stream], rows.source.projected[rows.at])
            found = self._chooser.choose(logits_RK)
            ended = _end(ended, active, rows, found.blank_R)
            if len(made) == MAX_SYMBOLS or not (found.scores_RC > -math.inf).any():
                return ended, made
            active, parents_BW = self._emit(active, rows, found, len(made))
            active = active.with_scores(active.score.masked_fill(active.score <= ended.score[:, -1:], -math.inf))
            following = self._advance(active, rows, parents_BW, made)
            if following is None:
                return ended, made
            rows = following

    def _living(self, active: Entries, slots_B: Tensor) -> _Rows:
        """The hypotheses that a step begins with; their prediction states stay where they are."""
        stream_R, column_R = (active.score > -math.inf).nonzero(as_tuple=True)
        at_R = slots_B[stream_R] * self.states.width + active.place[stream_R, column_R]
        return _Rows(stream_R, column_R, self.states.prediction, at_R)

    def _emit(self, active: Entries, rows: _Rows, found: Candidates, emitted: int) -> tuple[Entries, Tensor]:
        """The best hypotheses (B, W) that have a token more, and the columns (B, W) that they come from."""
        batch, width = active.score.shape
        choices = found.tokens_RC.shape[1]
        at = (rows.stream, rows.column)
        score_BWC = torch.full((batch, width, choices), -math.inf, dtype=torch.float64)
        score_BWC[at] = active.score[at][:, None] + self._fused(active, rows, found)
        tokens_BWC = torch.zeros(batch, width, choices, dtype=torch.long)
        tokens_BWC[at] = found.tokens_RC
        texts_BX = self._texts.append(active.text[:, :, None], tokens_BWC).flatten(1)
        index_BW, best_BW = best_distinct(score_BWC.flatten(1), texts_BX, width)
        parents_BW = index_BW // choices
        tokens_BW = tokens_BWC.flatten(1).gather(1, index_BW)
        logarithms_BWC = torch.zeros(batch, width, choices)
        logarithms_BWC[at] = found.scores_RC
        active = active.pick(parents_BW, best_BW)
        active.tokens[:, :, emitted] = tokens_BW
        active.probabilities[:, :, emitted] = logarithms_BWC.flatten(1).gather(1, index_BW).exp()
        context = active.context if self._ngram is None else self._ngram.next(active.context, tokens_BW)
        return replace(active, text=texts_BX.gather(1, index_BW), added=active.added + 1, context=context), parents_BW

    def _fused(self, active: Entries, rows: _Rows, found: Candidates) -> Tensor:
        """The tokens' log-probabilities float64 (R, C), the n-gram's share included."""
        scores_RC = found.scores_RC.double()
        if self._ngram is not None:
            row_X, choice_X = (scores_RC > -math.inf).nonzero(as_tuple=True)
            context_XM = active.context[rows.stream[row_X], rows.column[row_X]]
            scores_RC[row_X, choice_X] += self._ngram.scores(context_XM, found.tokens_RC[row_X, choice_X])
        return scores_RC

    def _advance(self, active: Entries, rows: _Rows, parents_BW: Tensor, made: list[Prediction]) -> _Rows | None:
        """Lets the prediction network read the last token of each hypothesis that is left; None when none is."""
        stream_R, column_R = (active.score > -math.inf).nonzero(as_tuple=True)
        if not len(stream_R):
            return None
        row_of_BW = torch.zeros_like(parents_BW)
        row_of_BW[rows.stream, rows.column] = rows.at
        before = rows.source.recurrence.gather(row_of_BW[stream_R, parents_BW[stream_R, column_R]])
        embedded_RP = self._network.embed(active.tokens[stream_R, column_R, len(made)])
        after = Prediction(before, self._network.predict(embedded_RP, before.hidden, before.cell))
        number_R = torch.arange(len(stream_R))
        active.place[stream_R, column_R] = self.states.width + sum(len(each.projected) for each in made) + number_R
        made.append(after)
        return _Rows(stream_R, column_R, after, number_R)

    def _store(self, slots_B: Tensor, place_BW: Tensor, alive_BW: Tensor, made: list[Prediction]) -> Tensor:
        """Moves the new prediction states of hypotheses that live on to places that are free; returns all places."""
        width = self.states.width
        new_BW = (place_BW >= width) & alive_BW
        if not new_BW.any():
            return place_BW
        used_BW = torch.zeros_like(place_BW)
        used_BW.scatter_add_(1, place_BW.clamp(max=width - 1), (alive_BW & ~new_BW).long())
        free_BW = used_BW.argsort(dim=1, stable=True)
        placed_BW = torch.where(new_BW, free_BW.gather(1, (new_BW.long().cumsum(1) - 1).clamp_(min=0)), place_BW)
        stream_R, column_R = new_BW.nonzero(as_tuple=True)
        from_R = place_BW[stream_R, column_R] - width
        rows_R = slots_B[stream_R] * width + placed_BW[stream_R, column_R]
        self.states.prediction.scatter(rows_R, Prediction.joined(made).gather(from_R))
        # A place without a hypothesis must name one there is.
        return placed_BW.masked_fill(~alive_BW, 0)


def _end(ended: Entries | None, active: Entries, rows: _Rows, blank_R: Tensor) -> Entries:
    """The best of those that have ended the frame, with those that end it now by a blank."""
    at = (rows.stream, rows.column)
    score_BW = torch.full_like(active.score, -math.inf)
    score_BW[at] = active.score[at] + blank_R
    candidates = active.with_scores(score_BW)
    if ended is not None:
        candidates = ended.joined(candidates)
    index_BW, best_BW = best_distinct(candidates.score, candidates.text, active.score.shape[1])
    return candidates.pick(index_BW, best_BW)
