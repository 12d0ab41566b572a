"""From logits to what a hypothesis may do next: the blank, and the few best tokens.

Shapes: R hypotheses, K classes, the blank last; G groups of classes; C candidates each.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

GROUP = 8


@dataclass(frozen=True)
class Candidates:
    """Log-probabilities: blank_R; scores_RC of tokens_RC, which are -inf where there is no candidate."""

    blank_R: Tensor
    tokens_RC: Tensor
    scores_RC: Tensor


@dataclass(frozen=True)
class Chooser:
    """The rules of choice; see `DecoderSettings`."""

    width: int
    temperature: float
    threshold: float
    fuzzy: bool

    def choose(self, logits_RK: Tensor) -> Candidates:
        """The candidates of each hypothesis; the logits are overwritten."""
        blank = logits_RK.shape[1] - 1
        values_RG, classes_RG = fuzzy_logits(logits_RK) if self.fuzzy else (logits_RK, None)
        # One pass of torch's own; its logsumexp alone takes longer, many times so where probabilities vanish.
        values_RG = values_RG.div_(self.temperature).log_softmax(1)
        best_RC, tokens_RC = largest(values_RG, min(self.width, values_RG.shape[1]))
        if classes_RG is not None:
            tokens_RC = classes_RG.gather(1, tokens_RC)
        none_RC = (tokens_RC == blank) | (best_RC == -math.inf)
        if self.threshold >= 0:
            none_RC |= best_RC < best_RC[:, :1] - self.threshold
        return Candidates(values_RG[:, -1], tokens_RC.masked_fill(none_RC, 0), best_RC.masked_fill(none_RC, -math.inf))


def largest(values_RK: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest values of each row and their places, in falling order.

    Sifted in two rounds, which is several times faster than one for thousands of classes: the largest of a row are in
    those groups whose maxima are largest. A group is every G-th class, so that maxima are taken of whole vectors.
    """
    rows, classes = values_RK.shape
    groups = classes // GROUP
    if groups < 4 * count:
        return _sorted_largest(values_RK, _numbers(0, classes, values_RK).expand(rows, -1), count)
    body_RK = values_RK[:, : groups * GROUP].view(rows, GROUP, groups)
    chosen_RG = body_RK.amax(1).topk(count, 1).indices
    places_RX = (chosen_RG[:, None] + groups * _numbers(0, GROUP, values_RK)[:, None]).flatten(1)
    rest_RX = _numbers(groups * GROUP, classes, values_RK).expand(rows, -1)
    places_RX = torch.cat((places_RX, rest_RX), 1).sort(1).values
    return _sorted_largest(values_RK.gather(1, places_RX), places_RX, count)


def _numbers(begin: int, end: int, beside: Tensor) -> Tensor:
    return torch.arange(begin, end, device=beside.device)


def _sorted_largest(values_RX: Tensor, places_RX: Tensor, count: int) -> tuple[Tensor, Tensor]:
    sorted_RX, order_RX = values_RX.sort(dim=1, descending=True, stable=True)
    return sorted_RX[:, :count], places_RX.gather(1, order_RX[:, :count])


def fuzzy_logits(logits_RK: Tensor) -> tuple[Tensor, Tensor]:
    """What a card sends instead of all logits: the maximum of every eight neighbours, then the blank.

    Classes are padded to a multiple of 256 (8704 give 1088 groups). Returns values (R, G + 1) and their classes. A
    token is lost when a neighbour in its group is larger; the blank never is, and takes no part in its group.
    """
    rows, classes = logits_RK.shape
    blank_R1 = logits_RK[:, -1:].clone()
    padded_RK = F.pad(logits_RK, (0, -classes % 256), value=-math.inf)
    padded_RK[:, classes - 1] = -math.inf
    values_RG, places_RG = padded_RK.view(rows, -1, GROUP).max(2)
    starts_G = _numbers(0, padded_RK.shape[1] // GROUP, logits_RK) * GROUP
    classes_RG = torch.cat((starts_G + places_RG, places_RG.new_full((rows, 1), classes - 1)), 1)
    return torch.cat((values_RG, blank_R1), 1), classes_RG
