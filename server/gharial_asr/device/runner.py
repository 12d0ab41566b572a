"""The runner of an accelerator: batches of a few fixed sizes, states that never leave the device.

Shapes: B streams of a batch, N samples of a step.
"""

import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from gharial_asr.compilation import Arithmetic, CompiledModel
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.decoding.build import chosen_ngram
from gharial_asr.decoding.keyword_automaton import KeywordCompiler
from gharial_asr.decoding.settings import GREEDY, DecoderSettings
from gharial_asr.device.beam.search import BeamOnDevice
from gharial_asr.device.decoding import DeviceDecoder
from gharial_asr.device.graphs import Graphs
from gharial_asr.device.greedy import GreedyOnDevice
from gharial_asr.device.ngram import DeviceNgram
from gharial_asr.device.placing import place_front_end, place_network
from gharial_asr.device.program import Program
from gharial_asr.device.states import DeviceStates
from gharial_asr.device.step import Step
from gharial_asr.emissions import Emissions
from gharial_asr.inference.network import Network
from gharial_asr.keywords import Keywords
from gharial_asr.precision import Precision
from gharial_asr.runner import Batch, Logits

log = logging.getLogger(__name__)

# From here on twice as large each time, so that never more than half of a batch is filling.
_SMALL_BUCKETS = (1, 8, 32)


def buckets(slots: int) -> tuple[int, ...]:
    """The batch sizes of a runner with so many slots, the largest of which is all of them."""
    sizes = list(_SMALL_BUCKETS)
    while sizes[-1] < slots:
        sizes.append(2 * sizes[-1])
    return (*(size for size in sizes if size < slots), slots)


class DeviceModel:
    """A model's weights on a device; implements `gharial_asr.runner.LoadedModel`.

    Making it raises NgramError or ArpaError when beam search cannot use the model's n-gram. decoder: makes the decoder
    of the settings for a number of slots. compiler: of keywords.
    """

    network_class: type[Network] = Network

    def __init__(
        self, model: Arithmetic, device: torch.device, precision: Precision, settings: DecoderSettings = GREEDY
    ) -> None:
        self.device = device
        self.network = place_network(model, device, precision, self.network_class)
        self.front_end = place_front_end(model, device)
        self.compiler = KeywordCompiler(model.tokenizer if isinstance(model, CompiledModel) else None)
        self.decoder: Callable[[int], DeviceDecoder] = partial(GreedyOnDevice, self.network, device)
        if settings.decoder == "beam":
            texts, seconds = TextHash(model.pieces, device), model.config.step_seconds
            ngram = chosen_ngram(model, settings)
            judge = None if ngram is None else DeviceNgram(ngram, model.pieces, settings.ngram_scale, device)
            self.decoder = partial(BeamOnDevice, self.network, device, texts, settings, seconds, judge)

    @property
    def step_samples(self) -> int:
        return self.front_end.step_samples

    def change_logits(self, change: Callable[[Logits], Logits]) -> None:
        self.network.joint_output = change(self.network.joint_output)

    def with_slots(self, slots: int) -> "DeviceRunner":
        return DeviceRunner(self, slots)


class DeviceRunner:
    """Implements `gharial_asr.runner.Runner` on a device.

    On a GPU each batch size is captured as CUDA graphs when the runner is made. Anywhere else the same kernels are
    called one by one, slowly: so tests run the very step that a GPU runs.
    """

    @torch.inference_mode()
    def __init__(self, model: DeviceModel, slots: int) -> None:
        began = time.monotonic()
        self.step_samples = model.step_samples
        self._decoder = model.decoder(slots)
        self._compiler = model.compiler
        history = model.front_end.history_samples
        self._states = DeviceStates(model.network, slots, history, model.device, self._decoder)
        self._sizes = buckets(slots)
        parts = model.network, model.front_end, self._states
        self._programs = [Program(Step(*parts, size), self._states.spare) for size in self._sizes]
        if model.device.type == "cuda":
            graphs = Graphs(model.device)
            # The largest first: the others then find their memory in its pool.
            for program in reversed(self._programs):
                program.capture(graphs.capture)
            log.info("CUDA graphs for batches of %s in %.1f s", self._sizes, time.monotonic() - began)

    @property
    def slots(self) -> int:
        return self._states.slots

    @property
    def bytes_per_stream(self) -> int:
        """Device memory of one stream's state."""
        return self._states.bytes_per_slot

    def preparing(self, keywords: Keywords) -> Iterator[None]:
        return self._compiler.compiling(keywords)

    @torch.inference_mode()
    def open(self, slot: int, generation: int, keywords: Keywords = ()) -> None:
        self._decoder.keywords.assign(slot, self._compiler.compile(keywords) if keywords else None)
        self._states.open(slot, generation)

    @torch.inference_mode()
    def free(self, slot: int) -> None:
        self._states.close(slot)
        self._decoder.keywords.assign(slot, None)

    @torch.inference_mode()
    def step(self, batch: Batch) -> Emissions:
        slots_B = batch.slots.astype(np.int64)
        self._states.check(slots_B, batch.generations)
        self._states.renew()
        program = self._programs[bisect_left(self._sizes, len(slots_B))]
        boosted = not self._decoder.keywords.idle
        if boosted:
            self._decoder.keywords.renew()
        found = program.run(slots_B, self._decoder.tell(slots_B), batch.samples, boosted)
        return self._decoder.emissions(found, slots_B, self._states.next_frames(slots_B))

    def close(self) -> None:
        """Lets go of graphs, buffers and states."""
        self._programs.clear()
