"""A stream's way over a seam, step by step: from what its lanes yield to what is sent."""

from bisect import bisect_left
from dataclasses import dataclass, field

from gharial_asr.decoding.expecting import Expecting
from gharial_asr.decoding.seam import Seam
from gharial_asr.emissions import NO_TOKENS, Hypothesis, Row, Tokens


@dataclass
class LaneSaid:
    """What one lane has said: settled runs, and its hypotheses for what is not settled."""

    settled: list[Tokens] = field(default_factory=list)
    hypotheses: tuple[Hypothesis, ...] = ()

    def add(self, row: Row) -> None:
        """A further step."""
        self.settled.append(row.settled)
        self.hypotheses = row.hypotheses

    @property
    def tokens(self) -> Tokens:
        """All that is settled."""
        return sum(self.settled, NO_TOKENS)

    @property
    def best(self) -> Hypothesis:
        """The best hypothesis; an empty one without any."""
        return self.hypotheses[0] if self.hypotheses else Hypothesis(0.0, NO_TOKENS)


class Passage:
    """From the seam on until every further token is sent as it is (`over`).

    The new lane may not have settled all that it said before the seam. Until it has, nothing of it is settled, and each
    of its hypotheses is sent as the seam rule has it.
    """

    def __init__(self, seam: Seam, unsent: Tokens, new: LaneSaid) -> None:
        """unsent: the end of seam.old, which was not settled in the old lane and is now. new: said before the seam."""
        self._seam = seam
        self._unsent = unsent
        self._new = new
        self._expecting: Expecting | None = None

    @property
    def over(self) -> bool:
        """Nothing is held back any more."""
        return self._expecting is not None and self._expecting.over

    def send(self, row: Row, frame: int) -> Row:
        """What is sent of the new lane's next step, of this encoder frame."""
        unsent, self._unsent = self._unsent, NO_TOKENS
        # What is still open may be of earlier frames, and is settled later.
        settled_until = min((each.tokens.frames[0] for each in row.hypotheses if each.tokens.frames), default=frame)
        if self._expecting is not None:
            sent, self._expecting = self._expecting.take(row.settled, settled_until)
        else:
            self._new.add(row)
            if settled_until < self._seam.seam:
                return Row(unsent, tuple(self._joined(each, frame) for each in row.hypotheses))
            sent, self._expecting = self._join(self._new.tokens, settled_until)
        expecting = self._expecting
        rest = (Hypothesis(each.score, expecting.take(each.tokens, frame)[0]) for each in row.hypotheses)
        return Row(unsent + sent, tuple(rest))

    def _join(self, new: Tokens, frame: int) -> tuple[Tokens, Expecting]:
        """What is sent of all that the new lane has said, and what is expected after it."""
        before = bisect_left(new.frames, self._seam.seam)
        sent, expecting = self._seam.join(new.part(0, before))
        more, expecting = expecting.take(new.part(before, len(new.tokens)), frame)
        return sent + more, expecting

    def _joined(self, hypothesis: Hypothesis, frame: int) -> Hypothesis:
        return Hypothesis(hypothesis.score, self._join(self._new.tokens + hypothesis.tokens, frame)[0])
