"""An int8 matrix arranged for the kernel.

Shapes: N outputs, K inputs; P = ceil(N / 16) panels, G = ceil(K / 4) groups.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

PANEL, GROUP = 16, 4
# Panels begin at multiples of this, as a cache line does.
ALIGNMENT = 64
# Sums of so many products of 127 x 127 fit 32 bits.
MOST_INPUTS = 2**17


@dataclass(frozen=True)
class PackedWeight:
    """panels int8 (P, G, 16, 4): the weights of 16 outputs and 4 inputs together, groups in their order of visits,
    zeros beyond the matrix; order uint16 (P, G): which group it is; pairs int32 (P,): how many pairs of groups come
    first whose products fit 16 bits two at a time; sums int32 (P, 16): 64 times the sum of an output's weights; scale
    float32 (N,); inputs: K."""

    panels: Tensor
    order: Tensor
    pairs: Tensor
    sums: Tensor
    scale: Tensor
    inputs: int

    @property
    def outputs(self) -> int:
        """N."""
        return len(self.scale)


def empty(scale_N: Tensor, inputs: int) -> PackedWeight:
    """Room for a matrix, its panels at a multiple of 64 bytes. Raises ValueError when it has too many inputs."""
    if inputs > MOST_INPUTS:
        raise ValueError(f"a matrix of {inputs} inputs; the int8 kernel takes {MOST_INPUTS}: use --precision float32")
    panels, groups = -(-len(scale_N) // PANEL), -(-inputs // GROUP)
    return PackedWeight(
        panels=_aligned((panels, groups, PANEL, GROUP)),
        order=torch.empty(panels, groups, dtype=torch.uint16),
        pairs=torch.empty(panels, dtype=torch.int32),
        sums=torch.empty(panels, PANEL, dtype=torch.int32),
        scale=scale_N.float().contiguous(),
        inputs=inputs,
    )


def _aligned(shape: tuple[int, ...]) -> Tensor:
    size = torch.Size(shape).numel()
    room = torch.empty(size + ALIGNMENT, dtype=torch.int8)
    first = -room.data_ptr() % ALIGNMENT
    return room[first : first + size].view(shape)
