"""From what a stream's steps yield to its answers. No threads and no arithmetic of the network here.

A frame gives a final when tokens were settled, and a partial while the decoder has hypotheses; the final goes first.
Finals have gaps between them only where nothing was open. docs/reference/engine.md says when which answer comes.
"""

from collections.abc import Sequence

from gharial_asr.decoding.words import WordBuilder, confidence
from gharial_asr.emissions import NO_TOKENS, Row, Tokens
from gharial_asr.endpointing import CLASSIC, Endpointer, EndpointSettings

from gharial_server.engine.interface import Alternative, Answer

NOTHING = Row(NO_TOKENS, ())


class Transcript:
    """One stream's way from tokens to answers."""

    def __init__(
        self,
        pieces: Sequence[str],
        frame_seconds: float,
        endpointing: EndpointSettings = CLASSIC,
        alternatives: int = 1,
    ) -> None:
        """pieces: the text of each token. alternatives: the most readings that a partial has. Raises ValueError when
        endpointing needs a token that is not among the pieces."""
        self._alternatives = alternatives
        self._frame_seconds = frame_seconds
        self._endpointer = Endpointer(pieces, frame_seconds, endpointing)
        self._words = WordBuilder(pieces, frame_seconds)
        self._frames = 0
        self._settled_frames = 0
        self._latest = NOTHING

    @property
    def is_over(self) -> bool:
        """The stream has come to an endpoint: its closing answer is out."""
        return self._endpointer.endpoint is not None

    def add(self, row: Row, closing: bool) -> list[Answer]:
        """The answers to one frame; closing: it is the stream's last, and its best hypothesis is settled with it."""
        before, self._frames = self._frames, self._frames + 1
        row = self._latest = self._endpointer.step(row)
        if closing or self.is_over:
            return [self._closing(row.all_of_it(), before)]
        if not row.hypotheses:
            return [self._final(row.settled, self._frames)]
        final = [self._final(row.settled, row.settled.frames[-1] + 1)] if row.settled.tokens else []
        return [*final, self._partial(row)]

    def close(self) -> list[Answer]:
        """The closing answer, when the stream ended after its last frame had been answered."""
        best = self._latest.hypotheses[0].tokens if self._latest.hypotheses else NO_TOKENS
        return [self._closing(best, self._frames)]

    def _final(self, settled: Tokens, until: int) -> Answer:
        start, self._settled_frames = self._settled_frames, until
        text, words = self._words.add(settled)
        return self._answer(start, until, False, (Alternative(text, confidence(settled.probabilities), tuple(words)),))

    def _closing(self, settled: Tokens, before: int) -> Answer:
        """before: frames that were answered already. Without text it is about what no answer was about."""
        start = self._settled_frames if settled.tokens else before
        text, words = self._words.add(settled)
        words += self._words.finish()
        alternative = Alternative(text, confidence(settled.probabilities), tuple(words))
        return self._answer(start, self._frames, False, (alternative,), closing=True)

    def _partial(self, row: Row) -> Answer:
        """Hypotheses for what is not settled, no two with the same text. When there are but empty ones, nothing is open
        any more."""
        start = self._settled_frames
        if not any(hypothesis.tokens.tokens for hypothesis in row.hypotheses):
            self._settled_frames = self._frames
        # What a seam or the mode of endpointing leaves out may have been all that told two hypotheses apart.
        distinct: dict[str, Alternative] = {}
        for tokens in (hypothesis.tokens for hypothesis in row.hypotheses):
            text = self._words.text(tokens)
            distinct.setdefault(text, Alternative(text, confidence(tokens.probabilities)))
            if len(distinct) == self._alternatives:
                break
        return self._answer(start, self._frames, True, tuple(distinct.values()))

    def _answer(
        self, start: int, end: int, is_provisional: bool, alternatives: tuple[Alternative, ...], closing: bool = False
    ) -> Answer:
        """The answer about the frames from start to end."""
        seconds = self._frame_seconds
        endpoint = self._endpointer.endpoint if closing else None
        return Answer(start * seconds, end * seconds, is_provisional, alternatives, closing, endpoint)
