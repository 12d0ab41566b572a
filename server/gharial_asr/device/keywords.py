"""Keywords of every slot on a device, in tables whose size never changes.

Shapes: S slots, R rows, K classes, Q states, E edges, N dense rows, D narrow edges.

Greedy decoding has to know what every class gains. A row of the dense table says that for one state. The roots have
one each, and so have states with many edges of their own; any other state takes its root's and puts its own few edges
over it.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from gharial_asr.decoding.boosting import Booster
from gharial_asr.decoding.keyword_automaton import Automaton
from gharial_asr.decoding.keyword_tables import KeywordTables


@dataclass(frozen=True)
class Room:
    """What the keywords of all streams may take together. Lists that streams share count once. narrow: edges that a
    state may have without a dense row of its own."""

    states: int = 1 << 18
    edges: int = 1 << 20
    dense: int = 512
    narrow: int = 32


class DeviceKeywords:
    """The tables that kernels read, and the slots' keywords on the host. `renew` brings the one to the other."""

    def __init__(self, slots: int, classes: int, device: torch.device, dense: bool, room: Room | None = None) -> None:
        """dense: whether it is ever asked for all classes at once."""
        self._room, self._classes = room or Room(), classes
        states, edges = self._room.states, self._room.edges
        self._booster = Booster(slots + 1, classes)
        self._changed = False
        self._on_device: KeywordTables | None = None
        with torch.device(device):
            self.root_S = torch.full((slots + 1,), -1)
            self._tables = KeywordTables(
                classes=classes,
                roots=(),
                advance=torch.zeros(states),
                starts=torch.zeros(states + 1, dtype=torch.long),
                tokens=torch.zeros(edges, dtype=torch.long),
                targets=torch.zeros(edges, dtype=torch.long),
                gains=torch.zeros(edges),
                leaves=torch.zeros(edges, dtype=torch.bool),
                keys=torch.full((edges,), torch.iinfo(torch.long).max),
            )
            # The first row is for rows without keywords. One column more, for what is not to be kept.
            self._dense_NK = torch.zeros(self._room.dense if dense else 0, classes + 1)
            self._row_Q = torch.zeros(states if dense else 0, dtype=torch.long)
            self._narrow_Q = torch.zeros(states if dense else 0, dtype=torch.long)
            self._places_D = torch.arange(self._room.narrow)

    @property
    def idle(self) -> bool:
        """No slot has keywords."""
        return self._booster.idle

    def assign(self, slot: int, automaton: Automaton | None) -> None:
        """Gives a slot its keywords, or none. Raises ValueError when there is no room for them."""
        before = self._booster.tables
        self._changed |= self._booster.assign(slot, automaton)
        tables = self._booster.tables
        if tables is not None and tables is not before and not self._fits(tables):
            self._booster.assign(slot, None)
            self._booster.join()
            raise ValueError(
                "the keyword lists of all streams take more room than the device has for them; let streams share "
                "lists, shorten them, or serve with --backend cpu"
            )

    def renew(self) -> None:
        """Copies what has changed since the last call to the device."""
        if not self._changed:
            return
        self._changed = False
        tables = self._booster.tables
        if tables is not None and tables is not self._on_device:
            self._copy(tables)
            self._on_device = tables
        self.root_S.copy_(self._booster.root_S)

    def gain(self, slots_R: Tensor, states_R: Tensor, tokens_R: Tensor) -> Tensor:
        """See `KeywordTables.gain`."""
        return self._tables.gain(self.root_S[slots_R], states_R, tokens_R)

    def next(self, slots_R: Tensor, states_R: Tensor, tokens_R: Tensor) -> Tensor:
        """The states after one token each."""
        return self._tables.next(self.root_S[slots_R], states_R, tokens_R)

    def boosted(self, logits_RK: Tensor, slots_R: Tensor, states_R: Tensor) -> Tensor:
        """The logits with what each class gains; see `gharial_asr.decoding.boosting.Booster.boosted`."""
        root_R = self.root_S[slots_R]
        known_R = root_R >= 0
        state_R = (root_R + states_R).clamp(min=0)
        gain_RK = self._dense_NK[self._row_Q[state_R] * known_R]
        count_R = self._narrow_Q[state_R] * known_R
        edge_RD = (self._tables.starts[state_R][:, None] + self._places_D).clamp(max=len(self._tables.tokens) - 1)
        column_RD = self._tables.tokens[edge_RD].where(self._places_D < count_R[:, None], self._classes)
        gain_RK.scatter_(1, column_RD, self._tables.gains[edge_RD])
        return logits_RK + gain_RK[:, :-1]

    def _fits(self, tables: KeywordTables) -> bool:
        room = self._room
        states, edges = len(tables.advance), len(tables.keys)
        dense = 1 + len(self._wide(tables)) if len(self._row_Q) else 0
        return states <= room.states and edges <= room.edges and dense <= room.dense

    def _copy(self, tables: KeywordTables) -> None:
        self._tables.keys.fill_(torch.iinfo(torch.long).max)
        for field in fields(KeywordTables)[2:]:
            values: Tensor = getattr(tables, field.name)
            getattr(self._tables, field.name)[: len(values)].copy_(values)
        if len(self._row_Q):
            self._copy_dense(tables)

    def _copy_dense(self, tables: KeywordTables) -> None:
        wide, count_Q = self._wide(tables), tables.starts.diff()
        dense_NK = torch.zeros(1 + len(wide), self._classes + 1)
        row_Q = torch.zeros(len(count_Q), dtype=torch.long)
        for row, (state, root) in enumerate(wide, 1):
            for of in (root, state):
                edges = slice(int(tables.starts[of]), int(tables.starts[of + 1]))
                dense_NK[row, tables.tokens[edges]] = tables.gains[edges]
            if state == root:
                row_Q[root:] = row
        row_Q[[state for state, _ in wide]] = torch.arange(1, 1 + len(wide))
        self._dense_NK[: len(dense_NK)].copy_(dense_NK)
        self._row_Q[: len(row_Q)].copy_(row_Q)
        self._narrow_Q[: len(count_Q)].copy_(count_Q.where(count_Q <= self._room.narrow, 0))

    def _wide(self, tables: KeywordTables) -> list[tuple[int, int]]:
        """States that have dense rows of their own, in rising order, each with the root of its automaton."""
        roots = np.array(tables.roots)
        states = np.union1d((tables.starts.diff() > self._room.narrow).nonzero().flatten().numpy(), roots)
        of_states = roots[np.searchsorted(roots, states, "right") - 1]
        return list(zip(states.tolist(), of_states.tolist(), strict=True))


class RowKeywords:
    """The keywords of one step's streams. states_R: in the keywords of each."""

    def __init__(self, keywords: DeviceKeywords, rows: int) -> None:
        self._keywords = keywords
        self._slots_R = torch.zeros(rows, dtype=torch.long, device=keywords.root_S.device)
        self.states_R = torch.zeros_like(self._slots_R)

    def begin(self, slots_R: Tensor, states_R: Tensor) -> None:
        """A new step of other slots."""
        self._slots_R.copy_(slots_R)
        self.states_R.copy_(states_R)

    def boosted(self, logits_CK: Tensor, rows_C: Tensor) -> Tensor:
        """The logits of some rows with what each class gains."""
        return self._keywords.boosted(logits_CK, self._slots_R[rows_C], self.states_R[rows_C])

    def read(self, rows_C: Tensor, tokens_C: Tensor, emits_C: Tensor) -> None:
        """Some rows have emitted a token each, or none."""
        states_C = self.states_R[rows_C]
        after_C = self._keywords.next(self._slots_R[rows_C], states_C, tokens_C)
        self.states_R.index_copy_(0, rows_C, after_C.where(emits_C, states_C))
