"""Events of the engine as plain data, and back."""

from typing import Any

from gharial_wire.answers import Word

from gharial_server.engine.interface import Alternative, Answer, Event, Failed

# What nearly every answer of a quiet stream holds: told and made once.
_NOTHING = (("", 1.0, ()),)
_SILENCE = (Alternative("", 1.0),)


def plain(stream: int, event: Event) -> tuple[int, Any]:
    """One event as plain data: the stream's number, and a tuple for an answer or the reason of a failure."""
    if isinstance(event, Failed):
        return stream, event.reason
    start, end, is_provisional, readings, closing, endpoint = event
    alternatives = _NOTHING if readings == _SILENCE else tuple(map(_plain, readings))
    return stream, (start, end, is_provisional, alternatives, closing, endpoint)


def event_of(told: Any) -> Event:
    """An event from what `plain` made of it."""
    if isinstance(told, str):
        return Failed(told)
    start, end, is_provisional, alternatives, closing, endpoint = told
    readings = _SILENCE if alternatives == _NOTHING else tuple(map(_reading, alternatives))
    # As `Answer(…)`, but without a call of Python: this is done for each answer of each stream.
    return tuple.__new__(Answer, (start, end, is_provisional, readings, closing, endpoint))


def _plain(alternative: Alternative) -> tuple[Any, ...]:
    words = tuple((word.text, word.start, word.end, word.confidence) for word in alternative.words)
    return (alternative.transcript, alternative.confidence, words)


def _reading(told: tuple[str, float, tuple[Any, ...]]) -> Alternative:
    transcript, confidence, words = told
    return Alternative(transcript, confidence, tuple(Word(*word) for word in words))
