"""Phrases that a stream is to hear more, or less, readily: docs/reference/keywords.md."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

MOST_PHRASES = 500
MOST_CHARACTERS = 100
MOST_BOOST = 10.0

Keywords = tuple[tuple[str, float], ...]
"""Phrases, each with its boost: a natural logarithm per character, above 0 for more and below 0 for less."""


def checked(phrases: Mapping[str, float]) -> Keywords:
    """Keywords in a fixed order, with single spaces. Raises ValueError that names the phrase and the remedy."""
    if len(phrases) > MOST_PHRASES:
        raise ValueError(f"{len(phrases)} keywords; give at most {MOST_PHRASES}")
    found: dict[str, float] = {}
    for phrase, boost in phrases.items():
        text = " ".join(phrase.split())
        if not text or len(text) > MOST_CHARACTERS:
            raise ValueError(f"keyword {phrase[:20]!r} has {len(text)} characters; give 1 to {MOST_CHARACTERS}")
        if text in found:
            raise ValueError(f"keyword {text!r} is given twice; give each phrase once")
        if not math.isfinite(boost) or not 0 < abs(boost) <= MOST_BOOST:
            raise ValueError(f"keyword {text!r} has boost {boost}; give -{MOST_BOOST:g} to {MOST_BOOST:g} and not 0")
        found[text] = float(boost)
    return tuple(sorted(found.items()))


def to_bytes(keywords: Keywords) -> bytes:
    """As they travel: a JSON object, nothing for none."""
    return json.dumps(dict(keywords)).encode() if keywords else b""


def from_bytes(data: bytes) -> Keywords:
    """Keywords as they travel. Raises ValueError."""
    return _checked_object(json.loads(data) if data else {})


def check_characters(keywords: Keywords, pieces: Sequence[str]) -> None:
    """Raises ValueError for a phrase with characters that no piece has."""
    known = {character for piece in pieces for character in piece} | {" "}
    for phrase, _ in keywords:
        if strange := sorted(set(phrase) - known):
            raise ValueError(
                f"keyword {phrase!r} has {', '.join(map(repr, strange))}, which the model never writes; "
                "spell it as transcripts are spelt"
            )


def read_keywords(source: str) -> Keywords:
    """Keywords from a JSON object, {"keywords": {"phrase": boost}}, or from the file with this path that holds one.

    Raises ValueError, OSError.
    """
    inline = source.lstrip().startswith("{")
    text = source if inline else Path(source).read_text()
    try:
        phrases = json.loads(text)["keywords"]
    except (ValueError, KeyError, TypeError) as error:
        form = '{"keywords": {"gharial": 1.0}}'
        holder = "the object given" if inline else source
        raise ValueError(f"{holder} holds no keywords ({error!r}); it must look like {form}") from error
    return _checked_object(phrases)


def _checked_object(phrases: object) -> Keywords:
    """Keywords from what a JSON text held."""
    if not isinstance(phrases, dict) or not all(isinstance(boost, int | float) for boost in phrases.values()):
        raise ValueError("keywords must be an object of phrases, each with a number: its boost")
    return checked(phrases)
