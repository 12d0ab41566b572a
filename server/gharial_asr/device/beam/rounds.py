"""Beam search in rounds of fixed size, for a device that must not be asked in between.

Shapes: B streams of a step, R = B + 1 working ones (the last is spare), Q streams of a round, W hypotheses of each,
X = Q W hypotheses of a round, C tokens tried after each, F columns of a record, J joint size.

It finds what `gharial_asr.decoding.beam.search` finds. A round takes the first Q streams that have hypotheses which go
on, and all W hypotheses of each, there or not: so all its tensors are rectangles. Places that a round has too many go
to the spare stream, which has no hypothesis. Streams that no round had a place for simply wait.

A stream has room for 2 W prediction states: W at most belong to hypotheses that have ended the frame, the others take
the states that the round makes. Hypotheses name their places, so states are never moved.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gharial_asr.decoding.beam.candidates import Candidates, Chooser
from gharial_asr.decoding.beam.search import MAX_SYMBOLS
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.device.beam.distinct import best_distinct
from gharial_asr.device.beam.records import (
    ADDED,
    COLUMNS,
    KEPT,
    KEYWORD,
    ORIGIN,
    PLACE,
    SAID,
    SCORE,
    TEXT,
    WORDS,
    said,
    scores,
)
from gharial_asr.device.keywords import DeviceKeywords
from gharial_asr.device.ngram import DeviceNgram
from gharial_asr.device.rounds import first_waiting
from gharial_asr.inference.network import Network
from gharial_asr.state import Prediction


class BeamRounds:
    """The search of B streams' next encoder output. All tensors lie on one device and are allocated once."""

    def __init__(
        self,
        network: Network,
        chooser: Chooser,
        texts: TextHash,
        prediction: Prediction,
        batch: int,
        device: torch.device,
        ngram: DeviceNgram | None = None,
    ) -> None:
        """prediction: 2 W states of every slot and of the spare slot, which comes last."""
        self._network, self._chooser, self._texts, self._ngram = network, chooser, texts, ngram
        self._prediction = prediction
        self._batch, self._width = batch, chooser.width
        self._spare_slot = len(prediction.projected) // (2 * chooser.width) - 1
        with torch.device(device):
            self._f_RJ = torch.zeros(batch + 1, network.config.rnnt.joint_n_hid)
            self._slots_R = torch.full((batch + 1,), self._spare_slot)
            self._waiting_R = torch.zeros(batch + 1, dtype=torch.bool)
            # W hypotheses that have ended the frame, then W that go on.
            self._work_RCF = torch.zeros(batch + 1, 2 * self._width, COLUMNS, dtype=torch.long)
            self._empty_CF = torch.zeros(2 * self._width, COLUMNS, dtype=torch.long)
            self._places_C = torch.arange(2 * self._width)
        scores(self._empty_CF).fill_(-math.inf)
        self._empty_CF[:, ORIGIN] = self._places_C % self._width

    def begin(self, f_BJ: Tensor, slots_B: Tensor, kept_BWF: Tensor) -> None:
        """A new step: projected encoder outputs, slots, and their hypotheses (the columns that are kept)."""
        batch = self._batch
        self._f_RJ[:batch] = f_BJ
        self._slots_R[:batch] = slots_B
        self._waiting_R[:batch] = slots_B != self._spare_slot
        self._work_RCF.copy_(self._empty_CF)
        self._work_RCF[:batch, self._width :, :KEPT] = kept_BWF

    def go_on(self, places: Sequence[int], keywords: DeviceKeywords | None = None) -> Tensor:
        """A round for each number of places. Returns how many streams are not done after them, a scalar on the
        device. keywords: of all slots."""
        for size in places:
            self._round(first_waiting(self._waiting_R, size), keywords)
        return self._waiting_R.sum()

    def ended(self) -> Tensor:
        """The hypotheses (B, W, F) that have ended the frame, best first."""
        return self._work_RCF[: self._batch, : self._width]

    def _round(self, streams_Q: Tensor, keywords: DeviceKeywords | None) -> None:
        width = self._width
        work_QCF = self._work_RCF.index_select(0, streams_Q)
        active_QWF = work_QCF[:, width:]
        slots_Q1 = self._slots_R.index_select(0, streams_Q)[:, None]
        first_Q1 = slots_Q1 * (2 * width)
        rows_QW = first_Q1 + active_QWF[..., PLACE]
        found = self._ask(streams_Q, rows_QW)
        ended_QWF = self._end(work_QCF, found.blank_R.view_as(rows_QW))
        following_QWF, parents_QW, tokens_QW = self._emit(active_QWF, found, slots_Q1, keywords)
        # Scores only fall: who is not above the worst of a full set cannot enter it.
        alive_QW = scores(following_QWF) > scores(ended_QWF)[:, -1:]
        alive_QW &= following_QWF[..., ADDED] <= MAX_SYMBOLS
        scores(following_QWF).masked_fill_(~alive_QW, -math.inf)
        following_QWF[..., PLACE] = self._free_places(ended_QWF)
        self._read(rows_QW.gather(1, parents_QW), tokens_QW, first_Q1 + following_QWF[..., PLACE])
        self._work_RCF.index_copy_(0, streams_Q, torch.cat((ended_QWF, following_QWF), 1))
        self._waiting_R.index_copy_(0, streams_Q, alive_QW.any(1))

    def _ask(self, streams_Q: Tensor, rows_QW: Tensor) -> Candidates:
        """What each hypothesis may do next, by the joint."""
        f_XJ = self._f_RJ.index_select(0, streams_Q)[:, None].expand(-1, self._width, -1).flatten(0, 1)
        g_XJ = self._prediction.projected.index_select(0, rows_QW.flatten())
        return self._chooser.choose(self._network.logits(f_XJ, g_XJ))

    def _end(self, work_QCF: Tensor, blank_QW: Tensor) -> Tensor:
        """The best of those that have ended the frame, with those that end it now by a blank."""
        score_QC = scores(work_QCF).clone()
        score_QC[:, self._width :] += blank_QW
        index_QW, best_QW = best_distinct(score_QC, work_QCF[..., TEXT], self._width)
        return _picked(work_QCF, index_QW, best_QW)

    def _emit(
        self, active_QWF: Tensor, found: Candidates, slots_Q1: Tensor, keywords: DeviceKeywords | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The best hypotheses (Q, W, F) that have a token more, the columns (Q, W) that they come from, the tokens."""
        streams, width, _ = active_QWF.shape
        tokens_QWC, logarithms_QWC = (of.view(streams, width, -1) for of in (found.tokens_RC, found.scores_RC))
        score_QWC = scores(active_QWF)[:, :, None] + logarithms_QWC
        if self._ngram is not None:
            score_QWC += self._ngram.scores(active_QWF[..., WORDS, None], tokens_QWC)
        if keywords is not None:
            score_QWC += keywords.gain(slots_Q1[..., None], active_QWF[..., KEYWORD, None], tokens_QWC)
        text_QX = self._texts.append(active_QWF[..., TEXT, None], tokens_QWC).flatten(1)
        index_QW, best_QW = best_distinct(score_QWC.flatten(1), text_QX, width)
        parents_QW = index_QW // tokens_QWC.shape[2]
        tokens_QW = tokens_QWC.flatten(1).gather(1, index_QW)
        picked_QWF = _picked(active_QWF, parents_QW, best_QW)
        picked_QWF[..., TEXT] = text_QX.gather(1, index_QW)
        if self._ngram is not None:
            picked_QWF[..., WORDS] = self._ngram.next(picked_QWF[..., WORDS], tokens_QW)
        if keywords is not None:
            picked_QWF[..., KEYWORD] = keywords.next(slots_Q1, picked_QWF[..., KEYWORD], tokens_QW)
        # The ninth token has no column; it is taken back at once.
        column_QW1 = SAID + picked_QWF[..., ADDED, None].clamp(max=MAX_SYMBOLS - 1)
        picked_QWF[..., ADDED] += 1
        picked_QWF.scatter_(2, column_QW1, said(tokens_QW, logarithms_QWC.flatten(1).gather(1, index_QW).exp_()))
        return picked_QWF, parents_QW, tokens_QW

    def _free_places(self, ended_QWF: Tensor) -> Tensor:
        """W places (Q, W) of each stream that no hypothesis needs which has ended the frame."""
        needed_QWC = ended_QWF[..., PLACE, None] == self._places_C
        needed_QWC &= (scores(ended_QWF) > -math.inf)[..., None]
        return needed_QWC.any(1).long().argsort(dim=1, stable=True)[:, : self._width]

    def _read(self, from_QW: Tensor, tokens_QW: Tensor, to_QW: Tensor) -> None:
        """Prediction networks read one token each; their new states take other places."""
        recurrence = self._prediction.recurrence.gather(from_QW.flatten())
        projected_XJ = self._network.predict(
            self._network.embed(tokens_QW.flatten()), recurrence.hidden, recurrence.cell
        )
        self._prediction.scatter(to_QW.flatten(), Prediction(recurrence, projected_XJ))


def _picked(records_QCF: Tensor, index_QW: Tensor, score_QW: Tensor) -> Tensor:
    """The hypotheses at some columns, with other scores."""
    picked_QWF = records_QCF.gather(1, index_QW[:, :, None].expand(-1, -1, records_QCF.shape[2]))
    picked_QWF[..., SCORE] = score_QW.view(torch.long)
    return picked_QWF
