"""What a terminal shows: colours where there is one, tables, ages, lines that fit."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TextIO

_COLOURS = {"red": "31", "yellow": "33", "green": "32", "bold": "1", "dim": "2"}
#: Between two columns.
_GAP = "   "
#: A column that is narrower than this is cut, not broken into lines.
_NARROW = 30
_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"))


class Paper:
    """Where words go. Colours only on a terminal, and never where NO_COLOR is set."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        terminal = self.out.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self.coloured = terminal
        # What is piped is read by programs: lines are broken for people only.
        self.width = shutil.get_terminal_size().columns if terminal else 0

    def colour(self, word: str, name: str) -> str:
        """The word in red, yellow, green, bold or dim."""
        return f"\x1b[{_COLOURS[name]}m{word}\x1b[0m" if self.coloured else word

    def line(self, text: str = "") -> None:
        """One line as it is."""
        print(text, file=self.out, flush=True)

    def wrapped(self, text: str, *, first: str = "", rest: str = "") -> None:
        """A text behind `first`, its further lines behind `rest`."""
        if not self.width:
            self.line(first + text)
            return
        room = max(_NARROW, self.width - len(rest))
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        self.line(first + lines[0])
        for line in lines[1:]:
            self.line(rest + line)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], *, whole: bool = False) -> None:
        """Columns as kubectl writes them. On a terminal the last one is cut, or broken into lines where `whole` is set;
        in a pipe it is left as it is."""
        every = [list(head), *([cell or "-" for cell in row] for row in rows)]
        widths = [max(len(row[column]) for row in every) for column in range(len(head) - 1)]
        room = self.width - sum(width + len(_GAP) for width in widths)
        for row in every:
            start = "".join(cell.ljust(width) + _GAP for cell, width in zip(row, widths, strict=False))
            if whole and room >= _NARROW:
                self.wrapped(row[-1], first=start, rest=" " * len(start))
                continue
            text = (start + row[-1]).rstrip()
            self.line(text[: self.width - 1] + "…" if self.width and len(text) > self.width else text)


def age(since: datetime | None, now: datetime) -> str:
    """`45s`, `12m`, `3h`, `9d`; empty when nobody knows."""
    if since is None:
        return ""
    return span((now - since).total_seconds())


def span(seconds: float) -> str:
    """A length of time in its largest unit."""
    for unit, letter in _UNITS:
        if seconds >= unit:
            return f"{int(seconds // unit)}{letter}"
    return f"{max(0, int(seconds))}s"
