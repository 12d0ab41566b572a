"""Runners: the arithmetic behind the engine, for slots that the engine manages.

Only plain data crosses a runner's calls, so a runner may be in this process (`LocalRunner`) or a card behind a socket.
A runner is used by one thread. Shapes: B streams of a batch, N samples of a step.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gharial_asr.compilation import Arithmetic, CompiledModel
from gharial_asr.decoding.boosting import Booster
from gharial_asr.decoding.build import build_decoder, load_ngram
from gharial_asr.decoding.keyword_automaton import KeywordCompiler
from gharial_asr.decoding.settings import GREEDY, DecoderSettings
from gharial_asr.emissions import Emissions
from gharial_asr.features import Features
from gharial_asr.inference.dense import Bfloat16Dense, dense
from gharial_asr.inference.network import Network
from gharial_asr.keywords import Keywords
from gharial_asr.memory import keep_memory_of_steps
from gharial_asr.state import SlotStates
from gharial_asr.streaming import StreamingFeatures


@dataclass(frozen=True)
class Batch:
    """One step of some slots: slots (B,) int32 without repeats, generations (B,) uint32, samples (B, N) float32."""

    slots: NDArray[np.int32]
    generations: NDArray[np.uint32]
    samples: NDArray[np.float32]


class Runner(Protocol):
    """Arithmetic on slots."""

    @property
    def slots(self) -> int:
        """How many streams it holds at once."""

    @property
    def step_samples(self) -> int:
        """Samples in one step (960: 60 ms at 16 kHz)."""

    def preparing(self, keywords: Keywords) -> Iterator[None]:
        """Does what keywords need before `open`, in pieces of a millisecond or two; else `open` does it at once. Raises
        ValueError as `open` does."""

    def open(self, slot: int, generation: int, keywords: Keywords = ()) -> None:
        """Makes a slot as new for a stream named by a generation other than 0. Raises ValueError for keywords that the
        model cannot write."""

    def free(self, slot: int) -> None:
        """Takes a slot from its stream."""

    def step(self, batch: Batch) -> Emissions:
        """One step of audio of each stream named. Raises StaleSlotError; a card may raise OSError and CardError."""

    def close(self) -> None:
        """Frees what the runner holds; it is not used afterwards."""


Logits = Callable[[Tensor], Tensor]
"""The joint's last product, from joint sizes (B, J) to logits (B, K)."""


class LoadedModel(Protocol):
    """A model's weights where they are to run, of which runners are made."""

    @property
    def step_samples(self) -> int:
        """Samples in one step of its runners."""

    def change_logits(self, change: Callable[[Logits], Logits]) -> None:
        """Replaces the joint's last product by another made of it, in runners that are made afterwards."""

    def with_slots(self, slots: int) -> Runner:
        """A runner with a number of slots, all closed."""


class LocalRunner:
    """Runs a compiled model on this machine's processor, in the calling thread (and torch's)."""

    network_class: type[Network] = Network
    """Another one may watch or steer the network in a measurement."""

    def __init__(self, model: Arithmetic, slots: int, settings: DecoderSettings = GREEDY) -> None:
        """Raises NgramError when decoder beam cannot use the model's n-gram."""
        self._model = model
        self._settings = settings
        make = Bfloat16Dense if model.precision == "bf16" else dense
        self._network = self.network_class(model.config, model.weights, make)
        self._front_end = StreamingFeatures(Features(model.config, model.mel_mean, model.mel_variance))
        self._ngram = load_ngram(model, settings)
        self._compiler = KeywordCompiler(model.tokenizer if isinstance(model, CompiledModel) else None)
        self._allocate(slots)
        keep_memory_of_steps()

    def with_slots(self, slots: int) -> Self:
        """Another runner on the same weights, with another number of slots, all closed."""
        other = copy.copy(self)
        other._allocate(slots)
        return other

    @torch.inference_mode()
    def _allocate(self, slots: int) -> None:
        self.booster = Booster(slots, self._model.config.n_classes)
        self.states = SlotStates(self._network, slots, self._front_end.history_samples)
        self.decoder = build_decoder(self._model, self._network, slots, self._settings, self._ngram, self.booster)

    def change_logits(self, change: Callable[[Logits], Logits]) -> None:
        """Replaces the joint's last product by another made of it."""
        self._network.joint_output = change(self._network.joint_output)

    @property
    def slots(self) -> int:
        return self.states.slots

    @property
    def step_samples(self) -> int:
        return self._front_end.step_samples

    @property
    def bytes_per_stream(self) -> int:
        """Memory of one stream's state."""
        return self.states.bytes_per_slot + self.decoder.bytes_per_slot

    def preparing(self, keywords: Keywords) -> Iterator[None]:
        return self._compiler.compiling(keywords)

    @torch.inference_mode()
    def open(self, slot: int, generation: int, keywords: Keywords = ()) -> None:
        self.booster.assign(slot, self._compiler.compile(keywords) if keywords else None)
        self.states.open(slot, generation)
        self.decoder.open(slot)

    @torch.inference_mode()
    def free(self, slot: int) -> None:
        self.states.close(slot)
        self.booster.assign(slot, None)

    @torch.inference_mode()
    def step(self, batch: Batch) -> Emissions:
        states = self.states
        states.check(batch.slots.tolist(), batch.generations.tolist())
        slots_B = torch.from_numpy(batch.slots.astype(np.int64))
        x_BSF, history_BN = self._front_end.step(torch.from_numpy(batch.samples), states.history_SN[slots_B])
        pre, post = states.pre.gather(slots_B), states.post.gather(slots_B)
        f_BJ = self._network.encode(x_BSF, (pre.hidden, pre.cell), (post.hidden, post.cell))
        states.history_SN[slots_B] = history_BN
        states.pre.scatter(slots_B, pre)
        states.post.scatter(slots_B, post)
        frames_B = states.frames_S[slots_B]
        states.frames_S[slots_B] += 1
        return self.decoder.step(f_BJ, slots_B, frames_B)

    def close(self) -> None:
        """Nothing to free: memory goes with the object."""
