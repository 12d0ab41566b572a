"""The moments of one stream: noted as they come, told to metrics and traces when it has ended."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

# Finals of a longer stream are no longer noted one by one: a trace stays small.
MAX_FINALS = 200


@dataclass(slots=True)
class Journey:
    """One stream. Moments are of time.monotonic() in seconds; None for what did not happen.

    tenant: empty where nobody needs a key. trace_headers: traceparent and tracestate of the request, where it had them.
    asked_at: its handshake came. audio_ended_at: the client said that it has sent everything. answered_at: the closing
    answer left. finals: moment, start and end in the stream of each final with text. Texts are not in here, so that
    none can get out.
    """

    name: str
    tenant: str
    trace_headers: Mapping[str, str]
    asked_at: float
    opened_at: float | None = None
    first_audio_at: float | None = None
    first_word_at: float | None = None
    audio_ended_at: float | None = None
    answered_at: float | None = None
    closed_at: float | None = None
    finals: list[tuple[float, float, float]] = field(default_factory=list)

    def hears(self) -> None:
        """Audio is there; only the first call counts."""
        if self.first_audio_at is None:
            self.first_audio_at = time.monotonic()

    def says(self, start: float, end: float, is_provisional: bool) -> None:
        """An answer with text leaves. start, end: its interval in the stream, in seconds."""
        now = time.monotonic()
        if self.first_word_at is None:
            self.first_word_at = now
        if not is_provisional and len(self.finals) < MAX_FINALS:
            self.finals.append((now, start, end))

    @property
    def first_word_seconds(self) -> float | None:
        """From the first audio to the first answer with text: the silence before the first word is in it."""
        return _between(self.first_audio_at, self.first_word_at)

    @property
    def last_word_seconds(self) -> float | None:
        """From the client's end of audio to the closing answer."""
        return _between(self.audio_ended_at, self.answered_at)


@dataclass(frozen=True)
class Outcome:
    """How a stream ended."""

    code: int
    reason: str
    audio_seconds: float
    answers: int


def _between(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
