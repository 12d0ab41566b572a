"""Transcripts as the tokenizer sees them (CAIMAN-ASR documentation, "Training text normalization").

Levels, from least to most change: identity, scrub, ascii, digit_to_word, lowercase. The pipeline is level,
replacements, removal of <tags>, scrub; identity scrubs nothing.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Literal

Level = Literal["identity", "scrub", "ascii", "digit_to_word", "lowercase"]
CHARACTERS = " abcdefghijklmnopqrstuvwxyz'"
LEVELS: tuple[Level, ...] = ("identity", "scrub", "ascii", "digit_to_word", "lowercase")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TAG = re.compile(r"<[^<>]*>")


def scrub(text: str, characters: Iterable[str]) -> str:
    """Text with only the given characters, and single spaces."""
    allowed = set(characters) | {" "}
    return " ".join("".join(c if c in allowed else " " if c.isspace() else "" for c in text).split())


def normalise(text: str, level: Level, characters: Iterable[str], replacements: Mapping[str, str] | None = None) -> str:
    """A transcript as text to be tokenized."""
    depth = LEVELS.index(level)
    if depth >= LEVELS.index("ascii"):
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    if depth >= LEVELS.index("digit_to_word"):
        text = re.sub(r"\d", lambda match: f" {DIGITS[int(match.group())]} ", text)
    if depth >= LEVELS.index("lowercase"):
        text = text.lower()
    for old, new in (replacements or {}).items():
        text = text.replace(old, new)
    text = _TAG.sub("", text)
    return text if level == "identity" else scrub(text, characters)
