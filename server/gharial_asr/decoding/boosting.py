"""Keyword boosting of many streams at once: what every class gains, as tensors.

Shapes: S slots, R rows (hypotheses, or streams), B of which have keywords, K classes, the blank last; E edges, Q states
of all automata in use, one after the other. A row's state is counted within its own slot's automaton; 0 is its root.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gharial_asr.decoding.keyword_automaton import Automaton


@dataclass(frozen=True)
class _Tables:
    """All automata in use: their arrays joined, and keys (E,), state x classes + token, in rising order."""

    advance: Tensor
    starts: Tensor
    tokens: Tensor
    targets: Tensor
    gains: Tensor
    leaves: Tensor
    keys: Tensor


class Booster:
    """Keywords of every slot. A slot without any costs nothing."""

    def __init__(self, slots: int, classes: int) -> None:
        self._classes = classes
        self._automata: list[Automaton | None] = [None] * slots
        self._root_S = torch.full((slots,), -1)
        self._tables: _Tables | None = None

    def assign(self, slot: int, automaton: Automaton | None) -> None:
        """Gives a slot its keywords, or none. Slots may share an automaton."""
        if self._automata[slot] is not automaton:
            self._automata[slot] = automaton
            self._join()

    @property
    def idle(self) -> bool:
        """No slot has keywords."""
        return self._tables is None

    def _join(self) -> None:
        unique = {id(each): each for each in self._automata if each is not None}
        roots, states, edges = {}, 0, 0
        parts: list[tuple[Tensor, ...]] = []
        for name, each in unique.items():
            roots[name] = states
            counts_Q = torch.from_numpy(each.starts).diff()
            tokens_E = torch.from_numpy(each.tokens)
            state_E = torch.arange(len(counts_Q)).repeat_interleave(counts_Q) + states
            arrays = (each.advance, each.targets, each.gains, each.leaves)
            parts.append((
                torch.from_numpy(each.starts[:-1]) + edges, tokens_E, state_E * self._classes + tokens_E,
                *(torch.from_numpy(array) for array in arrays),
            ))  # fmt: skip
            states, edges = states + len(counts_Q), edges + len(tokens_E)
        self._root_S = torch.tensor([-1 if each is None else roots[id(each)] for each in self._automata])
        self._tables = None
        if parts:
            starts, tokens, keys, advance, targets, gains, leaves = (
                torch.cat(each) for each in zip(*parts, strict=True)
            )
            starts = torch.cat((starts, torch.tensor([edges])))
            self._tables = _Tables(advance, starts, tokens, targets, gains, leaves, keys)

    def boosted(self, logits_RK: Tensor, slots_R: Tensor, states_R: Tensor) -> Tensor:
        """The logits with what each class gains; the same tensor when no row has keywords, else another.

        Nothing is given back for a phrase that is given up: what a stream has settled on stands, and the loss would
        only make it fall silent.
        """
        tables, root_R = self._tables, self._root_S[slots_R]
        rows_B = (root_R >= 0).nonzero().squeeze(1)
        if tables is None or not len(rows_B):
            return logits_RK
        root_B, state_B = root_R[rows_B], root_R[rows_B] + states_R[rows_B]
        gain_BK = torch.zeros(len(rows_B), self._classes)
        # What a state knows of a token counts, not what the root does.
        for of_B in (root_B, state_B):
            row_E, edge_E = _edges_of(tables, of_B)
            gain_BK[row_E, tables.tokens[edge_E]] = tables.gains[edge_E]
        boosted_RK = logits_RK.clone()
        boosted_RK[rows_B] += gain_BK
        return boosted_RK

    def gains(self, slots_R: Tensor, states_R: Tensor, tokens_R: Tensor) -> Tensor:
        """What one token each gains, float32 (R,); what the phrase under way had been granted is given back."""
        tables, root_R = self._tables, self._root_S[slots_R]
        if tables is None:
            return torch.zeros(len(tokens_R))
        edge_R, found_R, leaves_R = self._edge(tables, root_R, states_R, tokens_R)
        state_R = (root_R + states_R).clamp(min=0)
        lost_R = torch.where(leaves_R, tables.advance[state_R], 0.0)
        gain_R = torch.where(found_R, tables.gains[edge_R], 0.0) - lost_R
        return gain_R.masked_fill(root_R < 0, 0.0)

    def next(self, slots_R: Tensor, states_R: Tensor, tokens_R: Tensor) -> Tensor:
        """The states after one token each."""
        tables, root_R = self._tables, self._root_S[slots_R]
        if tables is None:
            return states_R
        edge_R, found_R, _ = self._edge(tables, root_R, states_R, tokens_R)
        return torch.where(found_R, tables.targets[edge_R], 0)

    def _edge(
        self, tables: _Tables, root_R: Tensor, states_R: Tensor, tokens_R: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The edges that tokens take, whether there is one, and whether the phrase under way is given up."""
        own_R, has_own_R = _find(tables.keys, (root_R + states_R) * self._classes + tokens_R)
        base_R, has_base_R = _find(tables.keys, root_R * self._classes + tokens_R)
        edge_R = torch.where(has_own_R, own_R, base_R)
        known_R = root_R >= 0
        stays_R = has_own_R & ~tables.leaves[own_R]
        return edge_R, (has_own_R | has_base_R) & known_R, ~stays_R & known_R


def _find(keys_E: Tensor, wanted_R: Tensor) -> tuple[Tensor, Tensor]:
    at_R = torch.searchsorted(keys_E, wanted_R).clamp(max=len(keys_E) - 1)
    return at_R, keys_E[at_R] == wanted_R


def _edges_of(tables: _Tables, states_B: Tensor) -> tuple[Tensor, Tensor]:
    """All edges of some states: the row of each, and its place in the tables."""
    begin_B, end_B = tables.starts[states_B], tables.starts[states_B + 1]
    count_B = end_B - begin_B
    row_E = torch.arange(len(states_B)).repeat_interleave(count_B)
    first_E = (begin_B - (count_B.cumsum(0) - count_B)).repeat_interleave(count_B)
    return row_E, first_E + torch.arange(len(row_E))


@dataclass(frozen=True)
class Following:
    """The keywords of one step's streams. states_B: changes in place as tokens are read."""

    booster: Booster
    slots_B: Tensor
    states_B: Tensor

    def boosted(self, logits_RK: Tensor, rows_R: Tensor) -> Tensor:
        """The logits of some rows with what each class gains."""
        return self.booster.boosted(logits_RK, self.slots_B[rows_R], self.states_B[rows_R])

    def read(self, rows_R: Tensor, tokens_R: Tensor) -> None:
        """Some rows have emitted a token each."""
        self.states_B[rows_R] = self.booster.next(self.slots_B[rows_R], self.states_B[rows_R], tokens_R)
