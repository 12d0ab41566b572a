"""Two lanes' words of the same few seconds, laid side by side.

Shapes: A words of the old lane, B of the new one. Both lanes are in the same order, and no pair lies further apart than
TOLERANCE. Either lane may end earlier; what is left of the other is its rest. Costs are plain integers.
"""

from dataclasses import dataclass

from gharial_asr.decoding.expecting import TOLERANCE
from gharial_asr.decoding.lane_words import Heard

CUT = 2 * TOLERANCE
"""A lane's last word may go on when its last token is at most so many frames before the seam."""

# A word that one lane alone has, or on which they differ, costs this. It costs less where a lane may well lack it: the
# new one while it warms up, either at the seam. A pair as far apart as may be costs a little less than two of those.
_DIFFERENT = 10_000
_EXCUSED = TOLERANCE + 1
# A pair of equal words is preferred to a word and its beginning, all else being the same.
_BEGINNING = 1


@dataclass(frozen=True)
class Alignment:
    """pairs (i, j) in order; the words from rest_a or from rest_b on are one lane's alone, and one of both is empty."""

    pairs: tuple[tuple[int, int], ...]
    rest_a: int
    rest_b: int


@dataclass(frozen=True)
class Overlap:
    """Two lanes' words between the frames start and seam."""

    a: list[Heard]
    b: list[Heard]
    start: int
    seam: int

    def may_go_on(self, word: Heard) -> bool:
        """Whether a lane's last word may be the beginning of a longer one."""
        return word.end >= self.seam - CUT

    def align(self) -> Alignment:
        """The cheapest alignment."""
        costs = self._costs()
        i, j = self._end(costs)
        rest_a, rest_b = i, j
        pairs: list[tuple[int, int]] = []
        while i or j:
            if i and j and costs[i][j] == costs[i - 1][j - 1] + self._pair(i - 1, j - 1):
                i, j = i - 1, j - 1
                pairs.append((i, j))
            elif i and costs[i][j] == costs[i - 1][j] + self._gap(self.a[i - 1]):
                i -= 1
            else:
                j -= 1
        return Alignment(tuple(reversed(pairs)), rest_a, rest_b)

    def _costs(self) -> list[list[int]]:
        """costs[i][j]: the cheapest alignment of the first i and the first j words."""
        costs = [[0] * (len(self.b) + 1) for _ in range(len(self.a) + 1)]
        for i in range(len(self.a) + 1):
            for j in range(len(self.b) + 1):
                ways = []
                if i and j:
                    ways.append(costs[i - 1][j - 1] + self._pair(i - 1, j - 1))
                if i:
                    ways.append(costs[i - 1][j] + self._gap(self.a[i - 1]))
                if j:
                    ways.append(costs[i][j - 1] + self._gap(self.b[j - 1]))
                costs[i][j] = min(ways, default=0)
        return costs

    def _end(self, costs: list[list[int]]) -> tuple[int, int]:
        """Where the cheapest alignment ends and one lane's rest begins."""
        ends = [(costs[-1][-1], len(self.a), len(self.b))]
        cost = 0
        for i in reversed(range(len(self.a))):
            cost += self._lateness(self.a[i])
            ends.append((costs[i][-1] + cost, i, len(self.b)))
        cost = 0
        for j in reversed(range(len(self.b))):
            cost += self._lateness(self.b[j])
            ends.append((costs[-1][j] + cost, len(self.a), j))
        _, i, j = min(ends)
        return i, j

    def _lateness(self, word: Heard) -> int:
        """That the other lane has not come to a word before the seam."""
        return _EXCUSED if word.start >= self.seam - TOLERANCE else _DIFFERENT

    def _gap(self, word: Heard) -> int:
        """That the other lane lacks a word. The new one is trusted from the middle of the overlap on."""
        return _EXCUSED if 2 * word.start < self.start + self.seam else _DIFFERENT

    def agree(self, i: int, j: int) -> bool:
        """Whether two words are the same one: equal, or the last of a lane is the beginning of the other's."""
        return self._pair(i, j) < _DIFFERENT

    def _pair(self, i: int, j: int) -> int:
        a, b = self.a[i], self.b[j]
        apart = abs(a.start - b.start)
        if apart > TOLERANCE:
            return 3 * _DIFFERENT
        if a.text == b.text:
            return 2 * apart
        a_begins_b = i == len(self.a) - 1 and self.may_go_on(a) and b.text.startswith(a.text)
        b_begins_a = j == len(self.b) - 1 and self.may_go_on(b) and a.text.startswith(b.text)
        return 2 * apart + (_BEGINNING if a_begins_b or b_begins_a else _DIFFERENT)
