"""Where to go on after a connection was lost: a pure decision on the finals that came so far.

A new stream has forgotten all that was said, so it must not begin in the middle of a word. It begins at the last
pause: a stretch of at least PAUSE_SECONDS whose finals are empty, or one between two finals (beam search gives none
while there are no words). Text that came after the pause is taken back and
comes again from the new stream. Without a pause in the last LOOK_BACK_SECONDS it begins at the end of the last
final; then nothing is said twice or lost but the word spoken at that moment, which may come out damaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gharial_wire.answers import Answer

# Longer than a word's own silences and than the recogniser's delay.
PAUSE_SECONDS = 0.48
# The audio that is sent again at most, unless a pause itself is longer.
LOOK_BACK_SECONDS = 10.0


@dataclass(frozen=True)
class ResumePoint:
    """Send on from `seconds`, with the first `kept` finals standing."""

    seconds: float
    kept: int


def resume_point(finals: Sequence[Answer]) -> ResumePoint:
    """The place in the audio to send on from; finals carry times in the whole recording, in order."""
    if not finals:
        return ResumePoint(0.0, 0)
    end = finals[-1].end
    quiet_until = end
    last_quiet = None
    for index in range(len(finals) - 1, -1, -1):
        final = finals[index]
        if index + 1 < len(finals) and finals[index + 1].start - final.end >= PAUSE_SECONDS - 1e-6:
            return ResumePoint(finals[index + 1].start - PAUSE_SECONDS, index + 1)
        if final.transcript:
            last_quiet = None
        else:
            if last_quiet is None:
                quiet_until, last_quiet = final.end, index
            if quiet_until - final.start >= PAUSE_SECONDS - 1e-6:
                return ResumePoint(final.start, index)
        if end - final.start > LOOK_BACK_SECONDS:
            break
    return ResumePoint(end, len(finals))
