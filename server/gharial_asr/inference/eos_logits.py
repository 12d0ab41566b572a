"""The joint's logits with the end-of-utterance class made more or less likely.

Shapes: B rows, K inputs, C classes.
"""

import math
from collections.abc import Callable

from torch import Tensor

from gharial_asr.endpointing import EndpointSettings


class EosLogits:
    """The joint's last product; the log-probability of one class is multiplied by eos_multiplier, and is -inf where it
    is then below the logarithm of eos_threshold (CAIMAN-ASR documentation, "Endpointing")."""

    def __init__(self, product: Callable[[Tensor], Tensor], eos: int, settings: EndpointSettings) -> None:
        self._product = product
        self._eos = eos
        self._multiplier = settings.eos_multiplier
        self._lowest = math.log(settings.eos_threshold) if settings.eos_threshold > 0 else -math.inf

    def __call__(self, x_BK: Tensor) -> Tensor:
        logits_BC = self._product(x_BK)
        total_B = logits_BC.logsumexp(1)
        changed_B = (logits_BC[:, self._eos] - total_B) * self._multiplier
        logits_BC[:, self._eos] = (total_B + changed_B).masked_fill(changed_B < self._lowest, -math.inf)
        return logits_BC
