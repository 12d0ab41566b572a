"""Words with times to what is read: segments, SubRip and WebVTT."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gharial_wire.answers import Word

# A segment ends at a pause, or when it has become too long to be read as one.
PAUSE_SECONDS = 0.8
LONGEST_SECONDS = 8.0
LONGEST_CHARACTERS = 84


@dataclass(frozen=True)
class Segment:
    """Words that belong together: seconds since the beginning, confidence in [0, 1]."""

    start: float
    end: float
    text: str
    confidence: float


def segments(words: Sequence[Word]) -> list[Segment]:
    """Cuts a transcript at its pauses, and where a segment would grow too long."""
    groups: list[list[Word]] = []
    for word in words:
        if not groups or _is_full(groups[-1], word):
            groups.append([])
        groups[-1].append(word)
    return [_segment(group) for group in groups]


def srt(parts: Sequence[Segment]) -> str:
    """SubRip."""
    cues = (
        f"{n}\n{_clock(part.start, ',')} --> {_clock(part.end, ',')}\n{part.text}\n" for n, part in enumerate(parts, 1)
    )
    return "\n".join(cues)


def vtt(parts: Sequence[Segment]) -> str:
    """WebVTT."""
    cues = (f"{_clock(part.start, '.')} --> {_clock(part.end, '.')}\n{part.text}\n" for part in parts)
    return "\n".join(("WEBVTT\n", *cues))


def _is_full(group: Sequence[Word], word: Word) -> bool:
    characters = sum(len(each.text) + 1 for each in group) + len(word.text)
    return (
        word.start - group[-1].end > PAUSE_SECONDS
        or word.end - group[0].start > LONGEST_SECONDS
        or characters > LONGEST_CHARACTERS
    )


def _segment(group: Sequence[Word]) -> Segment:
    logarithms = [math.log(max(word.confidence, 1e-30)) for word in group]
    confidence = math.exp(sum(logarithms) / len(logarithms))
    return Segment(group[0].start, group[-1].end, " ".join(word.text for word in group), confidence)


def _clock(seconds: float, point: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{milliseconds:03}"
