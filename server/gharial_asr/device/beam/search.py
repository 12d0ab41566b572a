"""Beam search on a device: every slot's hypotheses there, their open tokens on the host.

Shapes: S slots, B rows of a batch, R slots to be made new, W hypotheses, F columns of a record, J joint size.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gharial_asr.decoding.beam.open_tokens import OpenTokens
from gharial_asr.decoding.beam.search import chooser, settling_rules
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.decoding.settings import DecoderSettings
from gharial_asr.device.beam.records import COLUMNS, KEPT, WORDS, entries, scores
from gharial_asr.device.beam.rounds import BeamRounds
from gharial_asr.device.keywords import DeviceKeywords
from gharial_asr.device.ngram import DeviceNgram
from gharial_asr.device.rounds import round_places
from gharial_asr.emissions import Emissions
from gharial_asr.inference.network import Network
from gharial_asr.state import Prediction, after_start

TRYING, TRYING_ON = 0.4, 0.25
"""Shares of the streams that have a token worth trying, and of these that have another after it. On the starter model's
samples, 604 frames, 221 try one token, 33 two and 5 three."""


class BeamOnDevice:
    """Implements `gharial_asr.device.decoding.DeviceDecoder`.

    The device says which hypotheses ended a frame. The host, which keeps their open tokens, prunes and settles, and
    tells the device before the slot's next step which of them live on, a bit for each.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        texts: TextHash,
        settings: DecoderSettings,
        frame_seconds: float,
        ngram: DeviceNgram | None,
        slots: int,
    ) -> None:
        """texts, ngram: on the device."""
        self.network, self.texts, self.settings, self.ngram = network, texts, settings, ngram
        self.spare, self.device, self.width = slots, device, settings.beam_width
        with torch.device(device):
            self.prediction = Prediction.zeros(network.config, (slots + 1) * 2 * self.width)
            self.kept_SWF = torch.zeros(slots + 1, self.width, KEPT, dtype=torch.long)
            self._start = after_start(network)
            self._new_WF = torch.zeros(self.width, KEPT, dtype=torch.long)
        scores(self._new_WF)[1:] = -math.inf
        self._new_WF[:, WORDS] = ngram.start if ngram else 0
        self.keywords = DeviceKeywords(slots, network.config.n_classes, device, dense=False)
        self._open_tokens = OpenTokens(slots, self.width, settling_rules(settings, frame_seconds))
        self._bits_W = 1 << np.arange(self.width)
        self._alive_S = np.zeros(slots, np.int32)

    @property
    def bytes_per_slot(self) -> int:
        kept = self.kept_SWF.numel() * self.kept_SWF.element_size()
        return (kept + self.prediction.bytes) // (self.spare + 1)

    def kernels(self, batch: int) -> "BeamKernels":
        return BeamKernels(self, batch, round_places(batch, TRYING, TRYING_ON))

    def make_new(self, slots_R: Tensor) -> None:
        self.kept_SWF.index_copy_(0, slots_R, self._new_WF.expand(len(slots_R), -1, -1))
        self.prediction.scatter(slots_R * (2 * self.width), self._start.gather(torch.zeros_like(slots_R)))

    def open(self, slot: int) -> None:
        self._open_tokens.open(slot)
        self._alive_S[slot] = 1

    def tell(self, slots_B: NDArray[np.int64]) -> NDArray[np.int32]:
        """Which hypotheses of each slot live on."""
        alive_B: NDArray[np.int32] = self._alive_S[slots_B]
        return alive_B

    def emissions(self, found: NDArray[Any], slots_B: NDArray[np.int64], frames_B: NDArray[np.int32]) -> Emissions:
        records_BWF = found[1:].reshape(-1, self.width, COLUMNS)[: len(slots_B)]
        ended = entries(torch.from_numpy(records_BWF))
        slots, frames = torch.from_numpy(slots_B), torch.from_numpy(frames_B).long()
        score_BW, emitted = self._open_tokens.add(slots, frames, ended, int(ended.added.max()))
        self._alive_S[slots_B] = (score_BW > -math.inf).numpy() @ self._bits_W
        return emitted


class BeamKernels:
    """Implements `gharial_asr.device.decoding.Kernels`.

    found int64: streams that are not done yet, then the hypotheses (B, W, F) that have ended the frame, best first.
    """

    def __init__(self, decoder: BeamOnDevice, batch: int, places: Sequence[int]) -> None:
        """places: streams of each round of a launch, after every stream has asked once."""
        self._decoder = decoder
        self._places = tuple(places)
        rules = chooser(decoder.settings)
        parts = decoder.network, rules, decoder.texts, decoder.prediction
        self._rounds = BeamRounds(*parts, batch, decoder.device, decoder.ngram)
        self.found = torch.zeros(1 + batch * decoder.width * COLUMNS, dtype=torch.long, device=decoder.device)

    def first(self, f_BJ: Tensor, slots_B: Tensor, told_B: Tensor, boosted: bool) -> None:
        decoder = self._decoder
        kept_BWF = decoder.kept_SWF.index_select(0, slots_B)
        given_up_BW = (told_B[:, None] >> torch.arange(decoder.width, device=told_B.device)) & 1 == 0
        scores(kept_BWF).masked_fill_(given_up_BW, -math.inf)
        self._rounds.begin(f_BJ, slots_B, kept_BWF)
        self._rounds.go_on((len(slots_B),), self._decoder.keywords if boosted else None)
        self.more(slots_B, boosted)

    def more(self, slots_B: Tensor, boosted: bool) -> None:
        waiting = self._rounds.go_on(self._places, self._decoder.keywords if boosted else None)
        ended_BWF = self._rounds.ended()
        self._decoder.kept_SWF.index_copy_(0, slots_B, ended_BWF[..., :KEPT])
        self.found[:1] = waiting
        self.found[1:].view_as(ended_BWF).copy_(ended_BWF)
