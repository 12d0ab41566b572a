"""The transducer loss equals the sum over all paths, and its closed-form gradient equals the numeric one."""

import itertools

import pytest
import torch
from gharial_training.fitting.alignment import band_around, best_path, labels_begun
from gharial_training.fitting.loss import Lattice, pack_lattice, transducer_loss
from torch import Tensor

FRAMES = torch.tensor([3, 2, 4])
COUNTS = torch.tensor([2, 0, 3])
LABELS = torch.tensor([[1, 1, -1], [-1, -1, -1], [0, 3, 2]])
CLASSES = 5


def _logits(lattice: Lattice) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (len(lattice.cell_frame), CLASSES)
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


def _sum_over_paths(logits_NK: Tensor, lattice: Lattice, utterance: int) -> Tensor:
    """-log P by walking every path of blanks (right) and labels (up) through the cells that exist."""
    scores_NK = logits_NK.log_softmax(1)
    cells = {
        (int(t), int(u)): scores_NK[i]
        for i, (b, t, u) in enumerate(zip(lattice.cell_utterance, lattice.cell_frame, lattice.cell_label, strict=True))
        if b == utterance
    }
    frames, count = int(FRAMES[utterance]), int(COUNTS[utterance])

    def walk(t: int, u: int) -> list[Tensor]:
        if t == frames:
            return [torch.zeros((), dtype=torch.float64)] if u == count else []
        if (t, u) not in cells:
            return []
        paths = [cells[t, u][-1] + rest for rest in walk(t + 1, u)]
        if u < count:
            paths += [cells[t, u][LABELS[utterance, u]] + rest for rest in walk(t, u + 1)]
        return paths

    return -torch.logsumexp(torch.stack(walk(0, 0)), 0)


def test_the_loss_is_the_sum_over_all_paths() -> None:
    lattice = pack_lattice(FRAMES, LABELS, COUNTS)
    logits = _logits(lattice)
    expected = torch.stack([_sum_over_paths(logits, lattice, b) for b in range(3)])
    assert torch.allclose(transducer_loss(logits, lattice), expected)


def test_the_gradient_equals_the_numeric_one() -> None:
    lattice = pack_lattice(FRAMES, LABELS, COUNTS)
    assert torch.autograd.gradcheck(lambda x: transducer_loss(x, lattice), (_logits(lattice),))


def test_in_a_band_the_loss_sums_over_the_paths_in_the_band_alone() -> None:
    begun = torch.tensor([[0, 1, 2, 2], [0, 0, 0, 0], [1, 1, 2, 3]])
    band = band_around(begun, COUNTS, late=1, early=1)
    lattice, whole = pack_lattice(FRAMES, LABELS, COUNTS, band), pack_lattice(FRAMES, LABELS, COUNTS)
    assert len(lattice.cell_frame) < len(whole.cell_frame)
    logits = _logits(lattice)
    expected = torch.stack([_sum_over_paths(logits, lattice, b) for b in range(3)])
    assert torch.allclose(transducer_loss(logits, lattice), expected)
    assert torch.autograd.gradcheck(lambda x: transducer_loss(x, lattice), (logits,))


def test_an_utterance_is_not_changed_by_its_neighbours_in_the_batch() -> None:
    lattice = pack_lattice(FRAMES, LABELS, COUNTS)
    logits = _logits(lattice)
    together = transducer_loss(logits, lattice)
    for b in range(3):
        alone = pack_lattice(FRAMES[b : b + 1], LABELS[b : b + 1], COUNTS[b : b + 1])
        assert torch.allclose(transducer_loss(logits[lattice.cell_utterance == b], alone)[0], together[b])


@pytest.mark.parametrize("seed", range(5))
def test_the_aligned_path_is_the_best_of_all_ctc_paths(seed: int) -> None:
    scores = torch.randn(6, 2, 4, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)
    labels, counts, steps = torch.tensor([[0, 0, 2], [1, -1, -1]]), torch.tensor([3, 1]), torch.tensor([6, 4])
    path = best_path(scores, labels, counts, steps)
    for b in range(2):
        wanted = labels[b, : counts[b]].tolist()
        states = [3, *itertools.chain.from_iterable((label, 3) for label in wanted)]
        found = [states[z] for z in path[: steps[b], b].tolist()]
        assert sum(float(scores[t, b, k]) for t, k in enumerate(found)) == pytest.approx(
            max(
                sum(float(scores[t, b, k]) for t, k in enumerate(candidate))
                for candidate in itertools.product(range(4), repeat=int(steps[b]))
                if [k for k, _ in itertools.groupby(candidate) if k != 3] == wanted
            )
        )


def test_labels_are_counted_from_the_frame_where_they_begin() -> None:
    scores = torch.full((5, 1, 3), -9.0)
    for frame, best in enumerate([2, 0, 0, 2, 1]):
        scores[frame, 0, best] = 0.0
    begun = labels_begun(scores, torch.tensor([[0, 1]]), torch.tensor([2]), torch.tensor([5]))
    assert begun.tolist() == [[0, 1, 1, 1, 2]]


def test_more_labels_than_frames_are_spread_evenly() -> None:
    scores = torch.zeros(2, 1, 5).log_softmax(-1)
    begun = labels_begun(scores, torch.tensor([[0, 1, 2, 3]]), torch.tensor([4]), torch.tensor([2]))
    assert begun.tolist() == [[2, 4]]
