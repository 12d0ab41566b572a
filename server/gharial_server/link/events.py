"""Events of the engine as plain data, and back."""

import marshal
from collections.abc import Iterable, Iterator
from typing import Any

from gharial_asr.decoding.words import Word

from gharial_server.engine.interface import Alternative, Answer, Event, Failed

# What nearly every answer of a quiet stream holds: told and made once.
_NOTHING = (("", 1.0, ()),)
_SILENCE = (Alternative("", 1.0),)


def plain(stream: int, event: Event) -> tuple[Any, ...]:
    """One event as a tuple of plain data."""
    if isinstance(event, Failed):
        return (stream, event.reason)
    alternatives = _NOTHING if event.alternatives == _SILENCE else tuple(map(_plain, event.alternatives))
    return (stream, event.start, event.end, event.is_provisional, alternatives, event.closing, event.endpoint)


def events(body: memoryview) -> Iterator[tuple[int, Event]]:
    """(stream, event) of each event in the body of an EVENTS message."""
    for fields in marshal.loads(body):
        if len(fields) == 2:
            yield fields[0], Failed(fields[1])
        else:
            stream, start, end, is_provisional, alternatives, closing, endpoint = fields
            readings = _SILENCE if alternatives == _NOTHING else tuple(_readings(alternatives))
            yield stream, Answer(start, end, is_provisional, readings, closing, endpoint)


def _plain(alternative: Alternative) -> tuple[Any, ...]:
    words = tuple((word.text, word.start, word.end, word.confidence) for word in alternative.words)
    return (alternative.transcript, alternative.confidence, words)


def _readings(alternatives: Iterable[tuple[Any, ...]]) -> Iterator[Alternative]:
    for transcript, confidence, words in alternatives:
        yield Alternative(transcript, confidence, tuple(Word(*word) for word in words))
