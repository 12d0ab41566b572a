"""Keyword boosting of many streams at once: what every class gains, as tensors.

Shapes: S slots, R rows (hypotheses, or streams), B of which have keywords, K classes, the blank last; E edges.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gharial_asr.decoding.keyword_automaton import Automaton
from gharial_asr.decoding.keyword_tables import KeywordTables


class Booster:
    """Keywords of every slot. A slot without any costs nothing.

    tables: of all automata in use, and perhaps of some that no longer are; None when no slot has keywords. root_S: the
    first state of each slot's automaton, -1 without one.
    """

    def __init__(self, slots: int, classes: int) -> None:
        self._classes = classes
        self._automata: list[Automaton | None] = [None] * slots
        self._boosted = 0
        self._joined: dict[int, tuple[Automaton, int]] = {}
        self.root_S = torch.full((slots,), -1)
        self.tables: KeywordTables | None = None

    def assign(self, slot: int, automaton: Automaton | None) -> bool:
        """Gives a slot its keywords, or none; says whether that changes anything. Slots may share an automaton."""
        before = self._automata[slot]
        if before is automaton:
            return False
        self._automata[slot] = automaton
        self._boosted += (automaton is not None) - (before is not None)
        if not self._boosted or (automaton is not None and id(automaton) not in self._joined):
            self.join()
        else:
            self.root_S[slot] = -1 if automaton is None else self._joined[id(automaton)][1]
        return True

    @property
    def idle(self) -> bool:
        """No slot has keywords."""
        return self.tables is None

    def join(self) -> None:
        """Makes the tables anew, of what is in use."""
        unique = {id(each): each for each in self._automata if each is not None}
        self.tables = KeywordTables.joined(list(unique.values()), self._classes) if unique else None
        roots = self.tables.roots if self.tables else ()
        self._joined = {name: (each, root) for (name, each), root in zip(unique.items(), roots, strict=True)}
        of_slots = [-1 if each is None else self._joined[id(each)][1] for each in self._automata]
        self.root_S.copy_(torch.tensor(of_slots))

    def boosted(self, logits_RK: Tensor, slots_R: Tensor, states_R: Tensor) -> Tensor:
        """The logits with what each class gains; the same tensor when no row has keywords, else another.

        Nothing is given back for a phrase that is given up: what a stream has settled on stands, and the loss would
        only make it fall silent.
        """
        tables, root_R = self.tables, self.root_S[slots_R]
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
        if self.tables is None:
            return torch.zeros(len(tokens_R))
        return self.tables.gain(self.root_S[slots_R], states_R, tokens_R)

    def next(self, slots_R: Tensor, states_R: Tensor, tokens_R: Tensor) -> Tensor:
        """The states after one token each."""
        if self.tables is None:
            return states_R
        return self.tables.next(self.root_S[slots_R], states_R, tokens_R)


def _edges_of(tables: KeywordTables, states_B: Tensor) -> tuple[Tensor, Tensor]:
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
