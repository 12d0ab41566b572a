"""Words in the terminal as they come: finals stay, coloured by confidence; the dim partial behind them changes."""

import time
from collections.abc import Callable
from types import TracebackType

from gharial_wire.answers import Answer
from rich.console import Console
from rich.live import Live
from rich.text import Text

# What a server is less sure of; the least sure is underlined too, for who sees no colours.
_STYLES = ((0.5, "red underline"), (0.8, "yellow"), (2.0, "bold"))
_REDRAW_SECONDS = 0.05


class LiveTranscript:
    """Shows one stream. Use it as a context; it leaves the whole text standing.

    On a terminal that can redraw, the text grows in place, above a line that `status` gives; of a text longer than the
    terminal its end is shown. Anywhere else nothing is drawn.
    """

    def __init__(self, console: Console, partials: bool = True, status: Callable[[], str] = lambda: "") -> None:
        self._finals = Text()
        self._told = 0
        self._partial = ""
        self._partials = partials
        self._status = status
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._drawn_at = 0.0

    def __enter__(self) -> "LiveTranscript":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._console.print(_left_aligned(self._finals))

    def take(self, answer: Answer) -> None:
        """Shows one answer."""
        if answer.is_provisional:
            self._partial = answer.transcript if self._partials else ""
        else:
            best = answer.alternatives[0]
            letters = best.transcript.lstrip()
            self._finals.append(best.transcript[: len(best.transcript) - len(letters)])
            self._finals.append(letters, _style(best.confidence))
            self._partial = ""
            for word in best.words:
                self._colour(word.text, word.confidence)
        self._draw()

    def rewind(self, seconds: float, transcript: str) -> None:
        """Text was taken back: only `transcript` stands."""
        self._finals, self._partial = Text(transcript, "bold"), ""
        self._told = len(transcript)
        self._draw()

    def _colour(self, word: str, confidence: float) -> None:
        """A word that is told later than its text takes its own confidence's colour."""
        at = self._finals.plain.find(word, self._told)
        if at >= 0:
            self._told = at + len(word)
            # Of two styles the later wins, so what the text came with is undone first.
            self._finals.stylize(f"not underline not bold default {_style(confidence)}", at, self._told)

    def _draw(self) -> None:
        if self._live is None or time.monotonic() - self._drawn_at < _REDRAW_SECONDS:
            return
        self._drawn_at = time.monotonic()
        text = _left_aligned(self._finals) + Text(self._partial, "dim")
        room = self._console.width * max(self._console.height - 3, 1)
        if status := self._status():
            text = text[-room:] + Text(f"\n{status}", "dim")
        self._live.update(text[-room - len(status) - 1 :], refresh=True)


def _style(confidence: float) -> str:
    return next(style for limit, style in _STYLES if confidence < limit)


def _left_aligned(text: Text) -> Text:
    return text[len(text.plain) - len(text.plain.lstrip()) :]
