"""Greedy decoding in rounds of fixed size, for a device that must not be asked in between.

Shapes: B streams of a step, R = B + 1 working rows (the last one is spare), C rows of a round, J joint size,
P prediction size, K classes, M = MAX_SYMBOLS.

It finds what `gharial_asr.decoding.greedy` finds. There the rows that go on are counted by the host; here every shape
is fixed. At first all rows ask the joint. Then each round takes the first C rows that have emitted a token which the
prediction network has not read yet: it reads, and they ask again. Places that a round has too many are given to the
spare row. Rows that no round had a place for simply wait: a row's tokens do not depend on when it gets them, so any
number of rounds of any size may follow until none waits (label looping; V. Bataev et al., 2024, in slices).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gharial_asr.decoding.greedy import MAX_SYMBOLS
from gharial_asr.device.keywords import RowKeywords
from gharial_asr.inference.network import Network
from gharial_asr.state import Prediction, Recurrence

SPEECH = 0.2
"""Share of the joint's questions that a token answers, in speech: a quarter of a token for each frame."""
SLACK = 1.25
SMALLEST_ROUND = 32
ENOUGH = 0.05
"""Rows, on average, that may be left over by the rounds of one launch."""


def round_places(batch: int, begin: float = SPEECH, share: float = SPEECH) -> tuple[int, ...]:
    """Places of each round of one launch after all rows have asked once: what speech needs and a quarter more; enough
    rounds that one launch in twenty leaves something over. Two at least, for batches so small that places cost nothing.

    begin: share of the rows that go on at first. share: of those that then go on once more.
    """
    places: list[int] = []
    waiting = batch * begin
    while len(places) < 2 or waiting > ENOUGH:
        places.append(min(batch, max(SMALLEST_ROUND, math.ceil(waiting * SLACK))))
        waiting *= share
    return tuple(places)


def first_waiting(waiting_R: Tensor, places: int) -> Tensor:
    """The first rows (C,) that wait; the last row, which never does, where there are fewer."""
    order_R = waiting_R.cumsum(0) - 1
    chosen_R = waiting_R & (order_R < places)
    place_R = order_R.masked_fill_(~chosen_R, places)
    numbers_R = torch.arange(len(waiting_R), device=waiting_R.device)
    rows = torch.full((places + 1,), len(waiting_R) - 1, dtype=torch.long, device=waiting_R.device)
    return rows.scatter_(0, place_R, numbers_R)[:places]


class Rounds:
    """The decoding of B streams' next encoder output. All tensors lie on one device and are allocated once."""

    def __init__(self, network: Network, batch: int, device: torch.device) -> None:
        joint, rows = network.config.rnnt.joint_n_hid, batch + 1
        self._network = network
        self._spare = batch
        with torch.device(device):
            self.prediction = Prediction.zeros(network.config, rows)
            self.counts_R = torch.zeros(rows, dtype=torch.long)
            # One column more than there can be tokens, for what is not to be kept.
            self.tokens_RM = torch.zeros(rows, MAX_SYMBOLS + 1, dtype=torch.int32)
            self.probabilities_RM = torch.zeros(rows, MAX_SYMBOLS + 1)
            self._f_RJ = torch.zeros(rows, joint)
            self._last_R = torch.zeros(rows, dtype=torch.long)
            self._unread_R = torch.zeros(rows, dtype=torch.bool)
            self._live_R = torch.zeros(rows, dtype=torch.bool)
            self._rows_R = torch.arange(rows)

    def begin(self, f_BJ: Tensor, live_B: Tensor, prediction: Prediction, keywords: RowKeywords | None = None) -> None:
        """A new step: projected encoder outputs, which rows are streams, their prediction networks and keywords (R
        rows)."""
        self._f_RJ[: self._spare] = f_BJ
        self._live_R[: self._spare] = live_B
        self.prediction.projected.copy_(prediction.projected)
        self.prediction.recurrence.hidden.copy_(prediction.recurrence.hidden)
        self.prediction.recurrence.cell.copy_(prediction.recurrence.cell)
        self.counts_R.zero_()
        self._ask(self._rows_R, keywords)

    def go_on(self, places: Sequence[int], keywords: RowKeywords | None = None) -> Tensor:
        """A round for each number of places. Returns how many rows are not done after them, a scalar on the device."""
        for size in places:
            rows_C = first_waiting(self._unread_R, size)
            self._read(rows_C)
            self._ask(rows_C, keywords)
        return self._unread_R.sum()

    def networks(self) -> Prediction:
        """The prediction networks of the B streams after the rounds so far."""
        recurrence = self.prediction.recurrence
        shown = Recurrence(recurrence.hidden[:, : self._spare], recurrence.cell[:, : self._spare])
        return Prediction(shown, self.prediction.projected[: self._spare])

    def _read(self, rows_C: Tensor) -> None:
        """The prediction networks of some rows read their last token."""
        recurrence = self.prediction.recurrence.gather(rows_C)
        embedded_CP = self._network.embed(self._last_R.index_select(0, rows_C))
        projected_CJ = self._network.predict(embedded_CP, recurrence.hidden, recurrence.cell)
        self.prediction.scatter(rows_C, Prediction(recurrence, projected_CJ))

    def _ask(self, rows_C: Tensor, keywords: RowKeywords | None) -> None:
        """The joint's best class of some rows: noted when it is a token. Keywords change which class is best, not its
        probability."""
        f_CJ, g_CJ = self._f_RJ.index_select(0, rows_C), self.prediction.projected.index_select(0, rows_C)
        logits_CK = self._network.logits(f_CJ, g_CJ)
        wanted_CK = logits_CK if keywords is None else keywords.boosted(logits_CK, rows_C)
        best_C = wanted_CK.argmax(1)
        chosen_C = logits_CK.gather(1, best_C[:, None]).squeeze(1)
        wanted_C = chosen_C if keywords is None else wanted_CK.gather(1, best_C[:, None]).squeeze(1)
        counts_C = self.counts_R.index_select(0, rows_C)
        emits_C = (wanted_CK[:, self._network.config.blank] < wanted_C) & (counts_C < MAX_SYMBOLS)
        emits_C &= self._live_R.index_select(0, rows_C)
        probability_C = (chosen_C - logits_CK.logsumexp(1)).exp()
        place_C = rows_C * (MAX_SYMBOLS + 1) + counts_C.masked_fill(~emits_C, MAX_SYMBOLS)
        self.tokens_RM.view(-1).index_copy_(0, place_C, best_C.to(torch.int32))
        self.probabilities_RM.view(-1).index_copy_(0, place_C, probability_C)
        self.counts_R.index_copy_(0, rows_C, counts_C + emits_C)
        self._last_R.index_copy_(0, rows_C, best_C.masked_fill_(~emits_C, 0))
        self._unread_R.index_copy_(0, rows_C, emits_C)
        if keywords is not None:
            keywords.read(rows_C, best_C, emits_C)
