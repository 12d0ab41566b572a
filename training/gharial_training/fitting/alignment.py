"""Where in time the labels lie, by the CTC head; the transducer is then computed near that path alone.

A band of some labels around the path replaces the whole lattice (alignment-restricted transducer, J. Mahadeokar et
al., 2021): the cost of the joint falls from frames x labels to frames x band.

Shapes: B utterances, T encoder outputs, U labels, K classes, Z = 2 U + 1 CTC states (blank, label, blank, ...).
"""

import torch
from torch import Tensor

IMPOSSIBLE = -1e30


def _ctc_states(labels_BU: Tensor, blank: int) -> Tensor:
    states_BZ = labels_BU.new_full((labels_BU.shape[0], 2 * labels_BU.shape[1] + 1), blank)
    states_BZ[:, 1::2] = labels_BU.clamp(min=0)
    return states_BZ


def best_path(scores_TBK: Tensor, labels_BU: Tensor, counts_B: Tensor, steps_B: Tensor) -> Tensor:
    """The CTC state of each frame on the best path, (T, B); frames after an utterance's end repeat its last state."""
    frames, batch, classes = scores_TBK.shape
    states_BZ = _ctc_states(labels_BU, classes - 1)
    width = states_BZ.shape[1]
    emission_TBZ = scores_TBK.gather(2, states_BZ.expand(frames, -1, -1))
    skip_BZ = torch.zeros(batch, width, dtype=torch.bool)
    skip_BZ[:, 2:] = (states_BZ[:, 2:] != states_BZ[:, :-2]) & (states_BZ[:, 2:] != classes - 1)
    barrier_BZ = torch.where(skip_BZ, 0.0, IMPOSSIBLE)
    score_BZ = torch.full((batch, width), IMPOSSIBLE)
    score_BZ[:, :2] = emission_TBZ[0, :, :2]
    came_from = torch.zeros(frames, batch, width, dtype=torch.int8)
    moves = torch.full((3, batch, width), IMPOSSIBLE)
    for t in range(1, frames):
        moves[0] = score_BZ
        moves[1, :, 1:] = score_BZ[:, :-1]
        moves[2, :, 2:] = score_BZ[:, :-2] + barrier_BZ[:, 2:]
        best_BZ, move_BZ = moves.max(0)
        came_from[t] = move_BZ
        running = (t < steps_B)[:, None]
        score_BZ = torch.where(running, best_BZ + emission_TBZ[t], score_BZ)
        came_from[t].masked_fill_(~running, 0)
    return _trace_back(came_from, score_BZ, counts_B)


def _trace_back(came_from_TBZ: Tensor, score_BZ: Tensor, counts_B: Tensor) -> Tensor:
    last = 2 * counts_B
    ends = torch.stack([last, (last - 1).clamp(min=0)])
    state_B = ends.gather(0, score_BZ.gather(1, ends.T).argmax(1)[None])[0]
    path = torch.empty(came_from_TBZ.shape[:2], dtype=torch.long)
    for t in range(len(path) - 1, -1, -1):
        path[t] = state_B
        state_B = state_B - came_from_TBZ[t].gather(1, state_B[:, None])[:, 0].long()
    return path


def labels_begun(scores_TBK: Tensor, labels_BU: Tensor, counts_B: Tensor, steps_B: Tensor) -> Tensor:
    """How many labels have begun by each frame, (B, T). Utterances with too few frames for CTC are spread evenly."""
    path_TB = best_path(scores_TBK, labels_BU, counts_B, steps_B)
    begun_BT = ((path_TB + 1) // 2).T
    frame = torch.arange(1, len(path_TB) + 1)
    even_BT = (frame * counts_B[:, None] // steps_B[:, None]).clamp(max=counts_B[:, None])
    whole = (begun_BT[:, 0] <= 1) & (begun_BT.gather(1, (steps_B - 1)[:, None])[:, 0] == counts_B)
    return torch.where(whole[:, None], begun_BT, even_BT)


def band_around(begun_BT: Tensor, counts_B: Tensor, late: int, early: int) -> Tensor:
    """Cells (B, T, U + 1) at most `late` labels behind the path and `early` ahead of it."""
    label = torch.arange(int(counts_B.max()) + 1)
    lowest, highest = begun_BT[:, :, None] - late, begun_BT[:, :, None] + early
    return (label >= lowest) & (label <= highest) & (label <= counts_B[:, None, None])
