"""Keywords of many streams as tensors, and what single tokens gain by them.

Shapes: S slots, R rows (hypotheses, or streams), K classes, the blank last; E edges and Q states of all automata, one
after the other. A row's state is counted within its own slot's automaton; 0 is its root.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gharial_asr.decoding.keyword_automaton import Automaton


@dataclass(frozen=True)
class KeywordTables:
    """The automata's arrays joined; roots: the first state of each; keys int64 (E,): state x classes + token, rising.

    No call asks the device for anything, and all shapes are those of what is given.
    """

    classes: int
    roots: tuple[int, ...]
    advance: Tensor
    starts: Tensor
    tokens: Tensor
    targets: Tensor
    gains: Tensor
    leaves: Tensor
    keys: Tensor

    @classmethod
    def joined(cls, automata: Sequence[Automaton], classes: int) -> "KeywordTables":
        """Some automata, one at least."""
        roots: list[int] = []
        states = edges = 0
        parts: list[tuple[Tensor, ...]] = []
        for each in automata:
            roots.append(states)
            counts_Q = torch.from_numpy(each.starts).diff()
            tokens_E = torch.from_numpy(each.tokens)
            state_E = torch.arange(len(counts_Q)).repeat_interleave(counts_Q) + states
            arrays = (each.targets, each.gains, each.leaves)
            parts.append((
                torch.from_numpy(each.advance), torch.from_numpy(each.starts[:-1]) + edges, tokens_E,
                *(torch.from_numpy(array) for array in arrays), state_E * classes + tokens_E,
            ))  # fmt: skip
            states, edges = states + len(counts_Q), edges + len(tokens_E)
        advance, starts, *of_edges = (torch.cat(each) for each in zip(*parts, strict=True))
        return cls(classes, tuple(roots), advance, torch.cat((starts, torch.tensor([edges]))), *of_edges)

    def gain(self, root_R: Tensor, states_R: Tensor, tokens_R: Tensor) -> Tensor:
        """What one token each gains, float32 (R,); what the phrase under way had been granted is given back. root: the
        first states of the rows' automata, -1 for rows without keywords."""
        edge_R, found_R, leaves_R = self._edge(root_R, states_R, tokens_R)
        state_R = (root_R + states_R).clamp(min=0)
        lost_R = self.advance[state_R] * leaves_R
        return (self.gains[edge_R] * found_R - lost_R).masked_fill(root_R < 0, 0.0)

    def next(self, root_R: Tensor, states_R: Tensor, tokens_R: Tensor) -> Tensor:
        """The states after one token each."""
        edge_R, found_R, _ = self._edge(root_R, states_R, tokens_R)
        return self.targets[edge_R] * found_R

    def _edge(self, root_R: Tensor, states_R: Tensor, tokens_R: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The edges that tokens take, whether there is one, and whether the phrase under way is given up."""
        own_R, has_own_R = self._find((root_R + states_R) * self.classes + tokens_R)
        base_R, has_base_R = self._find(root_R * self.classes + tokens_R)
        edge_R = own_R.where(has_own_R, base_R)
        known_R = root_R >= 0
        stays_R = has_own_R & ~self.leaves[own_R]
        return edge_R, (has_own_R | has_base_R) & known_R, ~stays_R & known_R

    def _find(self, wanted_R: Tensor) -> tuple[Tensor, Tensor]:
        at_R = torch.searchsorted(self.keys, wanted_R).clamp(max=len(self.keys) - 1)
        return at_R, self.keys[at_R] == wanted_R
