"""Greedy RNN-T decoding of one encoder output of many streams.

Shapes: B streams, R rows still emitting, J joint size, K classes, N tokens emitted.

All rows ask the joint at once; rows whose best class is a token go on and ask again, rows whose best is the blank are
done (label looping; V. Bataev et al., 2024, for one frame). The prediction network runs for rows that emitted only.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gharial_asr.decoding.boosting import Booster, Following
from gharial_asr.emissions import Emissions, Runs
from gharial_asr.inference.network import Network
from gharial_asr.state import Prediction, after_start

MAX_SYMBOLS = 30
"""Tokens that one encoder output may emit at most."""


@dataclass(frozen=True)
class Decoded:
    """What one step emitted, row by row and in order within a row.

    counts int64 (B,): tokens of each row; tokens int64 (N,); probabilities float32 (N,): its softmax when it won.
    """

    counts: Tensor
    tokens: Tensor
    probabilities: Tensor


class GreedyDecoder:
    """Implements `gharial_asr.decoding.decoder.Decoder`; every token is settled at once."""

    def __init__(self, network: Network, slots: int, booster: Booster | None = None) -> None:
        """booster: the slots' keywords."""
        self._network = network
        self._booster = booster
        self._keyword_S = torch.zeros(slots, dtype=torch.long)
        self._start = after_start(network)
        self._slots = slots
        self.states = Prediction.zeros(network.config, slots)

    @property
    def bytes_per_slot(self) -> int:
        return self.states.bytes // self._slots

    def open(self, slot: int) -> None:
        self.states.scatter(torch.tensor([slot]), self._start)
        self._keyword_S[slot] = 0

    def step(self, f_BJ: Tensor, slots_B: Tensor, frames_B: Tensor) -> Emissions:
        prediction = self.states.gather(slots_B)
        keywords = None
        if self._booster is not None and not self._booster.idle:
            keywords = Following(self._booster, slots_B, self._keyword_S[slots_B])
        decoded = decode_greedy(self._network, f_BJ, prediction, keywords)
        if keywords is not None:
            self._keyword_S[slots_B] = keywords.states_B
        self.states.scatter(slots_B, prediction)
        return Emissions.settled_only(
            Runs(
                decoded.counts.to(torch.int32).numpy(),
                decoded.tokens.to(torch.int32).numpy(),
                frames_B.repeat_interleave(decoded.counts).to(torch.int32).numpy(),
                decoded.probabilities.numpy(),
            )
        )


def decode_greedy(network: Network, f_BJ: Tensor, state: Prediction, keywords: Following | None = None) -> Decoded:
    """Emits the tokens of one projected encoder output; the prediction state (B rows) changes in place.

    keywords change which class wins, not its probability.
    """
    rows_R = torch.arange(f_BJ.shape[0])
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(MAX_SYMBOLS):
        logits_RK = network.logits(f_BJ[rows_R], state.projected[rows_R])
        wanted_RK = logits_RK if keywords is None else keywords.boosted(logits_RK, rows_R)
        # Most rows end here. The largest value is found many times faster than its place, which only the others need.
        emitting_R = (wanted_RK[:, network.config.blank] < wanted_RK.amax(1)).nonzero().squeeze(1)
        if emitting_R.numel() == 0:
            break
        logits_RK, rows_R = logits_RK[emitting_R], rows_R[emitting_R]
        tokens_R = (logits_RK if keywords is None else wanted_RK[emitting_R]).argmax(1)
        chosen_R = logits_RK.gather(1, tokens_R[:, None]).squeeze(1)
        found.append((rows_R, tokens_R, (chosen_R - logits_RK.logsumexp(1)).exp()))
        advance(network, tokens_R, rows_R, state)
        if keywords is not None:
            keywords.read(rows_R, tokens_R)
    return _by_row(found, f_BJ.shape[0])


def advance(network: Network, tokens_R: Tensor, rows_R: Tensor, state: Prediction) -> None:
    """Lets the prediction network of some rows read one token each."""
    before = state.recurrence.gather(rows_R)
    projected_RJ = network.predict(network.embed(tokens_R), before.hidden, before.cell)
    state.scatter(rows_R, Prediction(before, projected_RJ))


def _by_row(found: list[tuple[Tensor, Tensor, Tensor]], batch: int) -> Decoded:
    """Sorts tokens that were found in rounds by row; within a row the rounds' order stays."""
    if not found:
        none = torch.zeros(0, dtype=torch.long)
        return Decoded(torch.zeros(batch, dtype=torch.long), none, torch.zeros(0))
    rows_N, tokens_N, probabilities_N = (torch.cat(parts) for parts in zip(*found, strict=True))
    order_N = rows_N.argsort(stable=True)
    return Decoded(torch.bincount(rows_N, minlength=batch), tokens_N[order_N], probabilities_N[order_N])
