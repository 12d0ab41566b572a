"""Answers as they travel: one JSON object per text frame.

The fields and their order are those of the CAIMAN-ASR documentation ("Response Frames"). Published clients read
`alternatives[0]` of every answer, so there is always at least one alternative, even an empty one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from json.encoder import encode_basestring

# What an answer without alternatives holds.
_NOTHING = (("", 1.0),)


class AnswerError(ValueError):
    """What the server sent is no answer of the documented form."""


@dataclass(frozen=True)
class Word:
    """A word with its place in the stream: start and end in seconds, confidence in [0, 1]."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Alternative:
    """One reading of an interval; the transcript keeps its leading space, confidence lies in [0, 1]. words: those that
    ended in the interval, for who asked for them."""

    transcript: str
    confidence: float
    words: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Answer:
    """One answer: the interval in seconds since the stream began, and its readings, best first. endpoint: what ended
    the stream with this answer, if not the client."""

    start: float
    end: float
    is_provisional: bool
    alternatives: tuple[Alternative, ...]
    endpoint: str | None = None

    @property
    def transcript(self) -> str:
        """The best reading's text."""
        return self.alternatives[0].transcript


def encode_answer(
    start: float,
    end: float,
    is_provisional: bool,
    alternatives: Sequence[tuple[str, float]],
    endpoint: str | None = None,
    words: Sequence[Sequence[Word]] | None = None,
) -> str:
    """The JSON text of one answer; alternatives are (transcript, confidence), best first; endpoint when there is one.

    words: those of each alternative, for who asked for them.
    Times are given to the millisecond, confidences to four places.
    """
    # Formatted by hand: a server does this tens of thousands of times a second, and nearly always for one reading.
    if len(alternatives) == 1 and words is None and endpoint is None:
        ((transcript, confidence),) = alternatives
        return (
            f'{{"start": {start:.3f}, "end": {end:.3f}, "is_provisional": {"true" if is_provisional else "false"}, '
            f'"alternatives": [{{"transcript": {encode_basestring(transcript)}, "confidence": {confidence:.4f}}}]}}'
        )
    shown = [
        f'{{"transcript": {encode_basestring(transcript)}, "confidence": {confidence:.4f}}}'
        for transcript, confidence in alternatives or _NOTHING
    ]
    if words is not None:
        shown = [f'{text[:-1]}, "words": [{_words(each)}]}}' for text, each in zip(shown, words or [()], strict=False)]
    ending = "" if endpoint is None else f', "endpoint": {encode_basestring(endpoint)}'
    return (
        f'{{"start": {start:.3f}, "end": {end:.3f}, '
        f'"is_provisional": {"true" if is_provisional else "false"}, "alternatives": [{", ".join(shown)}]{ending}}}'
    )


def _words(words: Sequence[Word]) -> str:
    return ", ".join(
        f'{{"word": {encode_basestring(word.text)}, "start": {word.start:.3f}, "end": {word.end:.3f}, '
        f'"confidence": {word.confidence:.4f}}}'
        for word in words
    )


def decode_answer(text: str | bytes) -> Answer:
    """Reads one answer; fields that are not documented are ignored. Raises AnswerError."""
    try:
        fields = json.loads(text)
        alternatives = tuple(
            Alternative(
                str(each["transcript"]), float(each.get("confidence", 1.0)), tuple(map(_word, each.get("words", ())))
            )
            for each in fields["alternatives"]
        )
        answer = Answer(
            float(fields["start"]),
            float(fields["end"]),
            bool(fields["is_provisional"]),
            alternatives,
            fields.get("endpoint"),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise AnswerError(f"the server sent something that is no answer: {text[:80]!r}") from error
    if not alternatives:
        raise AnswerError("the server sent an answer without alternatives")
    return answer


def _word(fields: dict[str, object]) -> Word:
    start, end, confidence = (float(str(fields[name])) for name in ("start", "end", "confidence"))
    return Word(str(fields["word"]), start, end, confidence)


def moved(answer: Answer, seconds: float) -> Answer:
    """The answer with all its times `seconds` later, as for a stream that began so much later than the recording."""
    alternatives = tuple(
        replace(
            each, words=tuple(replace(word, start=word.start + seconds, end=word.end + seconds) for word in each.words)
        )
        for each in answer.alternatives
    )
    return replace(answer, start=answer.start + seconds, end=answer.end + seconds, alternatives=alternatives)
