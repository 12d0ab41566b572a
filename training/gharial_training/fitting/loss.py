"""The transducer loss (A. Graves, 2012) over packed joint outputs.

Shapes: B utterances, T encoder outputs and U labels of the longest, N = sum of T_b (U_b + 1) lattice cells of all
utterances, K classes.

Only the cells of real frames and labels are computed. Forward and backward variables run along anti-diagonals of the
lattice, all utterances at once. The gradient with respect to the logits is written in closed form, so the joint
output and one gradient of its size are all that is held.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

IMPOSSIBLE = -1e30


@dataclass(frozen=True)
class Lattice:
    """Where each packed cell lies. All tensors are int64; cell_* have N entries."""

    frames: Tensor
    labels: Tensor
    cell_utterance: Tensor
    cell_frame: Tensor
    cell_label: Tensor
    next_label: Tensor


def pack_lattice(
    frames_B: Tensor, labels_BU: Tensor, label_counts_B: Tensor, band_BTU: Tensor | None = None
) -> Lattice:
    """The cells of a batch, or those of them that lie in a band, which must join each first cell to each last.

    next_label is the class that leads out of a cell upwards, 0 on the last row (never taken).
    """
    longest_T, longest_U = int(frames_B.max()), int(label_counts_B.max())
    frame, label = torch.arange(longest_T), torch.arange(longest_U + 1)
    real = (frame[None, :, None] < frames_B[:, None, None]) & (label[None, None] <= label_counts_B[:, None, None])
    if band_BTU is not None:
        real &= band_BTU
    utterance, cell_frame, cell_label = real.nonzero(as_tuple=True)
    padded = torch.nn.functional.pad(labels_BU[:, :longest_U].clamp(min=0), (0, 1))
    return Lattice(frames_B, label_counts_B, utterance, cell_frame, cell_label, padded[utterance, cell_label])


def _skew(x_BTU: Tensor, fill: float) -> Tensor:
    """Shears (B, T, U) so that anti-diagonals become columns: (T + U - 1, B, U) with [t + u, b, u] = [b, t, u]."""
    batch, frames, labels = x_BTU.shape
    skewed = x_BTU.new_full((batch, frames + labels - 1, labels), fill)
    u = torch.arange(labels)
    skewed[:, torch.arange(frames)[:, None] + u, u] = x_BTU
    return skewed.transpose(0, 1).contiguous()


def _unskew(x_DBU: Tensor, frames: int) -> Tensor:
    labels = x_DBU.shape[2]
    u = torch.arange(labels)
    return x_DBU.transpose(0, 1)[:, torch.arange(frames)[:, None] + u, u]


def _forward_variables(blank_DBU: Tensor, label_DBU: Tensor) -> Tensor:
    alpha = torch.full_like(blank_DBU, IMPOSSIBLE)
    alpha[0, :, 0] = 0
    for d in range(1, alpha.shape[0]):
        stay = alpha[d - 1] + blank_DBU[d - 1]
        climb = alpha[d - 1, :, :-1] + label_DBU[d - 1, :, :-1]
        alpha[d, :, 0] = stay[:, 0]
        alpha[d, :, 1:] = torch.logaddexp(stay[:, 1:], climb)
    return alpha


def _backward_variables(blank_DBU: Tensor, label_DBU: Tensor, frames_B: Tensor, labels_B: Tensor) -> Tensor:
    beta = torch.full_like(blank_DBU, IMPOSSIBLE)
    batch = torch.arange(len(frames_B))
    last = frames_B - 1 + labels_B
    for d in range(beta.shape[0] - 1, -1, -1):
        if d + 1 < beta.shape[0]:
            stay = beta[d + 1] + blank_DBU[d]
            climb = beta[d + 1, :, 1:] + label_DBU[d, :, :-1]
            beta[d, :, -1] = stay[:, -1]
            beta[d, :, :-1] = torch.logaddexp(stay[:, :-1], climb)
        ends = last == d
        beta[d, batch[ends], labels_B[ends]] = blank_DBU[d, batch[ends], labels_B[ends]]
    return beta


class _TransducerLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits_NK: Tensor, lattice: Lattice) -> Tensor:
        blank = logits_NK.shape[1] - 1
        total_N = logits_NK.logsumexp(1)
        blank_N = logits_NK[:, blank] - total_N
        label_N = logits_NK.gather(1, lattice.next_label[:, None])[:, 0] - total_N
        frames, labels = int(lattice.frames.max()), int(lattice.labels.max()) + 1
        cell = (lattice.cell_utterance, lattice.cell_frame, lattice.cell_label)
        grid = logits_NK.new_full((len(lattice.frames), frames, labels), IMPOSSIBLE)
        blank_DBU = _skew(grid.index_put(cell, blank_N), IMPOSSIBLE)
        top = lattice.cell_label == lattice.labels[lattice.cell_utterance]
        label_DBU = _skew(grid.index_put(cell, label_N.masked_fill(top, IMPOSSIBLE)), IMPOSSIBLE)
        alpha = _forward_variables(blank_DBU, label_DBU)
        beta = _backward_variables(blank_DBU, label_DBU, lattice.frames, lattice.labels)
        likelihood_B = beta[0, :, 0]

        after_blank = torch.cat([beta[1:], torch.full_like(beta[:1], IMPOSSIBLE)])
        batch = torch.arange(len(lattice.frames))
        after_blank[lattice.frames - 1 + lattice.labels, batch, lattice.labels] = 0
        after_label = torch.nn.functional.pad(after_blank[:, :, 1:], (0, 1), value=IMPOSSIBLE)
        after_label[lattice.frames - 1 + lattice.labels, batch, lattice.labels] = IMPOSSIBLE
        base = alpha - likelihood_B[:, None]
        blank_share = _unskew((base + blank_DBU + after_blank).exp(), frames)[cell]
        label_share = _unskew((base + label_DBU + after_label).exp(), frames)[cell]
        ctx.save_for_backward(logits_NK, total_N, blank_share, label_share, lattice.next_label, lattice.cell_utterance)
        return -likelihood_B

    @staticmethod
    def backward(ctx: Any, grad_B: Tensor) -> tuple[Tensor, None]:
        logits_NK, total_N, blank_N, label_N, next_label, utterance = ctx.saved_tensors
        weight_N = grad_B[utterance]
        gradient = (logits_NK - total_N[:, None]).exp_()
        gradient *= ((blank_N + label_N) * weight_N)[:, None]
        gradient[:, -1] -= blank_N * weight_N
        gradient.scatter_add_(1, next_label[:, None], -(label_N * weight_N)[:, None])
        return gradient, None


def transducer_loss(logits_NK: Tensor, lattice: Lattice) -> Tensor:
    """Negative log-likelihood (B,) of the labels given packed logits (N, K); the blank is the last class."""
    loss: Tensor = _TransducerLoss.apply(logits_NK, lattice)
    return loss
