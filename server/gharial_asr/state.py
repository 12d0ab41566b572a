"""The state of every slot, in tensors allocated once.

Shapes: S slots, B streams of a batch, L layers, H hidden size, P prediction size, J joint size, N samples.

Encoder states belong to slots; prediction states to hypotheses, of which a decoder may keep several for a slot.

A slot is one stream's place. `open` makes it as new and gives it a generation; a step for another generation is
refused, so a slot that was given on never sees its former stream's audio nor gives it answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gharial_asr.config import RnntConfig
from gharial_asr.inference.network import Network


class StaleSlotError(RuntimeError):
    """A step named a slot that is closed or belongs to another stream by now."""


@dataclass(frozen=True)
class Recurrence:
    """Hidden and cell states of a stack, (L, B, H) each."""

    hidden: Tensor
    cell: Tensor

    @classmethod
    def zeros(cls, layers: int, rows: int, size: int) -> "Recurrence":
        """The state of streams that have not begun."""
        return cls(torch.zeros(layers, rows, size), torch.zeros(layers, rows, size))

    def gather(self, rows_B: Tensor) -> "Recurrence":
        """A copy of some rows."""
        return Recurrence(self.hidden.index_select(1, rows_B), self.cell.index_select(1, rows_B))

    def scatter(self, rows_B: Tensor, values: "Recurrence") -> None:
        """Puts rows back."""
        self.hidden.index_copy_(1, rows_B, values.hidden)
        self.cell.index_copy_(1, rows_B, values.cell)

    def clear(self, rows_R: Tensor) -> None:
        """Makes some rows as new."""
        self.hidden.index_fill_(1, rows_R, 0)
        self.cell.index_fill_(1, rows_R, 0)


@dataclass(frozen=True)
class Prediction:
    """The prediction network's state and its last output projected for the joint, (B, J)."""

    recurrence: Recurrence
    projected: Tensor

    @classmethod
    def zeros(cls, config: RnntConfig, rows: int) -> "Prediction":
        """Room for the states of some rows."""
        sizes = config.rnnt
        recurrence = Recurrence.zeros(sizes.pred_rnn_layers, rows, sizes.pred_n_hid)
        return cls(recurrence, torch.zeros(rows, sizes.joint_n_hid))

    @classmethod
    def joined(cls, parts: Sequence["Prediction"]) -> "Prediction":
        """The rows of all parts."""
        hidden = torch.cat([part.recurrence.hidden for part in parts], 1)
        cell = torch.cat([part.recurrence.cell for part in parts], 1)
        return cls(Recurrence(hidden, cell), torch.cat([part.projected for part in parts]))

    @property
    def bytes(self) -> int:
        """Memory of all rows."""
        tensors = (self.recurrence.hidden, self.recurrence.cell, self.projected)
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def gather(self, rows_B: Tensor) -> "Prediction":
        """A copy of some rows."""
        return Prediction(self.recurrence.gather(rows_B), self.projected.index_select(0, rows_B))

    def scatter(self, rows_B: Tensor, values: "Prediction") -> None:
        """Puts rows back."""
        self.recurrence.scatter(rows_B, values.recurrence)
        self.projected.index_copy_(0, rows_B, values.projected)


def after_start(network: Network) -> Prediction:
    """The prediction network after it has read the start of a sequence, one row."""
    sizes = network.config.rnnt
    start = Prediction.zeros(network.config, 1)
    recurrence = start.recurrence
    projected_1J = network.predict(torch.zeros(1, sizes.pred_n_hid), recurrence.hidden, recurrence.cell)
    return Prediction(recurrence, projected_1J)


class SlotStates:
    """All slots' states before decoding: encoder frames since the stream began, audio history and encoder."""

    def __init__(self, network: Network, slots: int, history_samples: int) -> None:
        sizes = network.config.rnnt
        self.generations = [0] * slots
        self.frames_S = torch.zeros(slots, dtype=torch.long)
        self.history_SN = torch.zeros(slots, history_samples)
        self.pre = Recurrence.zeros(sizes.enc_pre_rnn_layers, slots, sizes.enc_n_hid)
        self.post = Recurrence.zeros(sizes.enc_post_rnn_layers, slots, sizes.enc_n_hid)

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return len(self.generations)

    @property
    def bytes_per_slot(self) -> int:
        """Memory that one stream's state takes."""
        tensors = [self.frames_S, self.history_SN, self.pre.hidden, self.pre.cell, self.post.hidden, self.post.cell]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors) // self.slots

    def open(self, slot: int, generation: int) -> None:
        """Makes a slot as new and gives it to a stream. generation must not be 0, which means closed."""
        self.renew(torch.tensor([slot]))
        self.generations[slot] = generation

    def renew(self, slots_R: Tensor) -> None:
        """Makes some slots as new."""
        self.frames_S.index_fill_(0, slots_R, 0)
        self.history_SN.index_fill_(0, slots_R, 0)
        self.pre.clear(slots_R)
        self.post.clear(slots_R)

    def close(self, slot: int) -> None:
        """Takes the slot from its stream."""
        self.generations[slot] = 0

    def check(self, slots: Sequence[int], generations: Sequence[int]) -> None:
        """Raises StaleSlotError when a slot is not of the generation named, or is named twice."""
        for slot, generation in zip(slots, generations, strict=True):
            if not 0 <= slot < self.slots or generation == 0 or self.generations[slot] != generation:
                raise StaleSlotError(f"slot {slot} is not open for generation {generation}")
        if len(set(slots)) != len(slots):
            raise StaleSlotError("a batch holds one frame of a slot, not more")
